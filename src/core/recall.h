// After a store has lost its pool, or came back with an older state of it: nothing is granted until
// the supervisors have brought their runs back, or their time is over. Rule 38.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

/// How long supervisors have that are connected to the server, and are told.
inline constexpr Duration kRecallPatience = std::chrono::seconds(3);
/// How long those have that must find out by themselves: they try again after 10 s at most.
inline constexpr Duration kReturnPatience = std::chrono::seconds(12);

/// Takes all GPUs out of service.
void begin_recall(Pool& pool, const Instant& now);

/// The same, to look for those of these runs that the pool lacks. Does nothing if it has all.
void recall_missing(Pool& pool, std::vector<std::string> runs, const Instant& now);

/// Puts the GPUs back into service.
void end_recall(Pool& pool);

/// The same once its time is over, whatever became of the process that began it.
void end_old_recall(Pool& pool, const Instant& now);

/// The same if all runs that are looked for are back.
void end_recall_of_all(Pool& pool);

/// How long until the recall is over at the latest; nullopt when none goes on.
std::optional<Duration> time_to_end_of_recall(const Pool& pool, const Instant& now);

}  // namespace chg
