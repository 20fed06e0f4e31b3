// After a store has lost its pool, and somebody has set it up again: nothing is granted until the
// supervisors have brought their runs back, or their time is over. Rule 38.
#pragma once

#include "core/pool.h"

namespace chg {

/// How long the supervisors have.
inline constexpr Duration kRecallPatience = std::chrono::seconds(3);

/// Takes all GPUs out of service.
void begin_recall(Pool& pool, const Instant& now);

/// Puts them back into it.
void end_recall(Pool& pool);

/// The same once the time is over, whatever became of the process that began it.
void end_old_recall(Pool& pool, const Instant& now);

}  // namespace chg
