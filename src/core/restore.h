// Restores reservations that a store has lost: it came back empty, or with an older state. What was
// ended on purpose stays ended.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

/// The reservation to restore for a run that its supervisor knows and the pool lacks; nullopt if it
/// was ended. `history` holds the usage records since its start: if none is of its grant, the store
/// has lost the run. What ended another grant of the same request did not end this one. A run that
/// was given up for dead (EndReason::Lost) comes back if `is_alive`, and is charged from the end of
/// its last record on.
std::optional<Reservation> to_restore(const Reservation& remembered,
                                      const std::vector<UsageRecord>& history, bool is_alive);

/// Whether the pool has this very reservation: of the same grant, and with the same supervisor and
/// the same GPUs (`gpus` and `lost` together). The id alone does not tell: an older state of the
/// pool may grant the request again, or know the grant as it was before.
bool is_known(const Pool& pool, const Reservation& remembered);

/// State of the job behind a reservation, as known to the process responsible for it.
enum class JobState {
  NotBegun,  ///< it may begin only when it has all its GPUs
  Running,   ///< whatever others concluded
  Over,
};

/// A reservation that the store has lost, as to_restore would bring it back.
struct Lost {
  Reservation reservation;
  JobState job;
};

/// Outcome of a change that a process makes to the reservation it is responsible for.
enum class OwnChange {
  Made,
  Ended,   ///< somebody has ended the reservation; nothing was changed
  Taken,   ///< a job that has not begun was passed over, or others have its GPUs; no change
  NoPool,  ///< the store has lost all of the pool, or the GPUs; it may be set up again
};

/// Made when the pool has `own`. If the pool lacks it: without `lost`, returns nullopt, and the
/// caller reads the history and calls again; with `lost`, restores it, or returns Taken where its
/// job can't begin with the GPUs that are left.
std::optional<OwnChange> find_or_restore(Pool& pool, const Reservation& own,
                                         const std::optional<Lost>& lost);

/// What change_or_restore asks for, in this order.
struct OwnSteps {
  /// One update of the pool: find_or_restore, and the change where that says Made.
  std::function<std::optional<OwnChange>(const std::optional<Lost>&)> update;
  std::function<std::vector<UsageRecord>()> history;  ///< since the start of the reservation
  std::function<JobState()> job;
};

/// Changes a reservation in one update, or, where the pool lacks it, restores it in a second one.
OwnChange change_or_restore(const Reservation& own, const OwnSteps& steps);

/// Whether nobody else has any of its GPUs (core/inner.h: may_have), and the pool has them all.
bool is_whole(const Pool& pool, const Reservation& remembered);

/// Restores a reservation with those of its GPUs that nobody else has by now; the others are lost.
/// An inner run and its outer reservation come back in any order: the one that is there first has
/// the GPUs, and they don't lose them to each other. Replaces what an older state has under its id:
/// a request, or a reservation of other GPUs. Does nothing when none of its GPUs is in this pool.
void restore(Pool& pool, const Reservation& remembered);

/// Gives lost GPUs that nobody has any more back to the runs that go on there (rule 23), and those
/// that an outer reservation has again to the runs inside it.
void reclaim_lost_gpus(Pool& pool);

}  // namespace chg
