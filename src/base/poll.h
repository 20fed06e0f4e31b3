#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace chg {

/// Waits until one of these descriptors is ready (readable, hung up, or in error) or `timeout` has
/// passed; nullopt: for ever. Returns for each whether it is ready. A signal handler that ran ends
/// the wait early, with none ready. Negative descriptors are never ready. `before_sleep` is called
/// when all is prepared: nothing but the system call comes after it.
std::vector<bool> wait_ready(const std::vector<int>& fds, std::optional<Duration> timeout,
                             const std::function<void()>& before_sleep = {});

}  // namespace chg
