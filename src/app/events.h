// What has happened, for people and programs that read or follow it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/context.h"

namespace chg {

/// The name of the host whose events these are, where it is not this one; else "". Throws
/// Error(Failed) where there is no pool.
std::string host_of_events(Context& context);

/// Calls `show` with the events that took effect at `from` or later, in the order in which they
/// were written. Some may be read at once.
void read_events(Context& context, WallTime from,
                 const std::function<void(const std::vector<Event>&)>& show);

/// As above, and then with each event as it is written, whenever it took effect. Returns only by
/// what `show` throws, or for an error that does not pass. While the store is away, tries again
/// every second; `troubled` is told once of each trouble. Misses no event.
[[noreturn]] void follow_events(Context& context, WallTime from,
                                const std::function<void(const std::vector<Event>&)>& show,
                                const std::function<void(const Error&)>& troubled);

}  // namespace chg
