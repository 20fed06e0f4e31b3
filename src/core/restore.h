// What a store has lost, and those who remember it bring back: it came back empty, or with an older
// state. What was ended on purpose stays ended.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

/// What is to be brought back of a run whose supervisor remembers it and whose pool does not have
/// it; missing when it was ended. `history` holds the usage records since its start: every end
/// of what has a GPU writes one, so where there is none the store has lost the run. One that was
/// given up for dead, because nothing was heard of it, is alive if `is_alive` says so, and is
/// charged anew from where its usage was recorded up to.
std::optional<Reservation> to_restore(const Reservation& remembered,
                                      const std::vector<UsageRecord>& history, bool is_alive);

/// Whether the pool has this very reservation: with the same start by the boot clock, supervisor
/// and GPUs, its own or lost. On the wall clock the start may have moved (to_restore), and an older
/// state may have one that was granted to its request anew.
bool is_known(const Pool& pool, const Reservation& remembered);

/// The job that a reservation stands for, as the one knows who answers for it.
enum class JobState {
  NotBegun,  ///< it may begin only when it has all its GPUs
  Running,   ///< whatever others believe
  Over,
};

/// A reservation that the store has lost, as to_restore would bring it back.
struct Lost {
  Reservation reservation;
  JobState job;
};

/// What became of a change that somebody made to the reservation that he answers for.
enum class OwnChange {
  Made,
  Ended,   ///< somebody has ended the reservation; nothing was changed
  Taken,   ///< somebody else has got GPUs of a job that has not begun; nothing was changed
  NoPool,  ///< the store has lost all of the pool, or the GPUs; it may be set up again
};

/// Made when the pool has the reservation, or has it again: where it is lost, it is brought back if
/// its job may go on with what is left of it. nullopt when it is not there and nobody knows why.
std::optional<OwnChange> find_or_restore(Pool& pool, const Reservation& own,
                                         const std::optional<Lost>& lost);

/// Whether nobody else has any of its GPUs, and the pool has them all.
bool is_whole(const Pool& pool, const Reservation& remembered);

/// Brings a reservation back, with those of its GPUs that nobody else has by now; the others are
/// lost. What an older state says of it (that it still waits, or has other GPUs) is forgotten.
/// Nothing comes back that has no GPU in this pool.
void restore(Pool& pool, const Reservation& remembered);

}  // namespace chg
