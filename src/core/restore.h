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

/// Whether nobody else has any of its GPUs, and the pool has them all.
bool is_whole(const Pool& pool, const Reservation& remembered);

/// Brings a reservation back, with those of its GPUs that nobody else has by now; the others are
/// lost. What an older state says of it (that it still waits, or has other GPUs) is forgotten.
/// Nothing comes back that has no GPU in this pool.
void restore(Pool& pool, const Reservation& remembered);

/// Brings a request back to its place: by when it was made. Throws as enqueue does. REQUIRES: its
/// id is not in the pool.
void rejoin(Pool& pool, const Request& remembered);

/// Takes a request out of the queue for good: its waiter will find that it was cancelled.
void mark_cancelled(Pool& pool, const std::string& id);

/// Whether the request was cancelled; forgets that it was.
bool take_cancelled(Pool& pool, const std::string& id);

}  // namespace chg
