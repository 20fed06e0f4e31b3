// The reservation that this process answers for: changed by it, and brought back by it when the
// store has lost it.
#pragma once

#include <functional>

#include "app/pool_update.h"
#include "base/error.h"
#include "core/pool.h"

namespace chg {

enum class OwnChange {
  Made,
  Ended,   ///< somebody has ended the reservation; nothing was changed
  Taken,   ///< somebody else has got GPUs of a job that has not begun; nothing was changed
  NoPool,  ///< the store has lost all of the pool, or the GPUs; it may be set up again
};

/// The job that a reservation stands for, as the one knows who answers for it.
enum class Job {
  NotBegun,  ///< it may begin only when it has all its GPUs
  GoesOn,    ///< whatever others believe
  Over,
};

/// Applies `change` to the pool, in which `own` is a reservation with the GPUs that it has. When it
/// is not there although nobody has ended it, it is brought back before (core/restore.h).
/// `own` is what the caller knows of it, and is brought up to date. `job` is asked only then, after
/// who has ended it: a job that has ended since the caller looked was rightly given up for dead.
OwnChange change_own(Host& host, Reservation& own, const std::function<Job()>& job,
                     const Change& change);

/// As above, for a job whose state can't change meanwhile.
OwnChange change_own(Host& host, Reservation& own, Job job, const Change& change);

/// Gives back what nobody has begun to use: it leaves no trace.
void forget(Host& host, Reservation own);

/// For those who can't go on without the pool. Passing: an administrator may set it up again.
Error lost_pool();

}  // namespace chg
