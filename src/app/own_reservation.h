// The reservation that this process is responsible for: it changes it, and restores it when the
// store has lost it.
#pragma once

#include <functional>

#include "app/pool_update.h"
#include "base/error.h"
#include "core/restore.h"

namespace chg {

/// Applies `change` to the pool, which then has the reservation `own`. When the pool lacks it
/// although nobody ended it, it is restored first (change_or_restore). `job` is asked only then.
/// Updates `own` from the pool.
OwnChange change_own(Context& context, Reservation& own, const std::function<JobState()>& job,
                     const Change& change);

/// As above, for a job whose state can't change meanwhile.
OwnChange change_own(Context& context, Reservation& own, JobState job, const Change& change);

/// Undoes a grant that nobody has begun to use: it leaves no trace.
void discard(Context& context, Reservation own);

/// For callers that need the pool. Transient: an administrator may set it up again.
Error lost_pool();

}  // namespace chg
