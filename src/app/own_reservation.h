// The reservation that this process answers for: changed by it, and brought back by it when the
// store has lost it.
#pragma once

#include <functional>

#include "app/pool_update.h"
#include "base/error.h"
#include "core/restore.h"

namespace chg {

/// Applies `change` to the pool, in which `own` is a reservation with the GPUs that it has. When it
/// is not there although nobody has ended it, it is brought back before (core/restore.h).
/// `own` is what the caller knows of it, and is brought up to date. `job` is asked only then, after
/// who has ended it: a job that has ended since the caller looked was rightly given up for dead.
OwnChange change_own(Context& context, Reservation& own, const std::function<JobState()>& job,
                     const Change& change);

/// As above, for a job whose state can't change meanwhile.
OwnChange change_own(Context& context, Reservation& own, JobState job, const Change& change);

/// Undoes a grant that nobody has begun to use: it leaves no trace.
void discard(Context& context, Reservation own);

/// For those who can't go on without the pool. Passing: an administrator may set it up again.
Error lost_pool();

}  // namespace chg
