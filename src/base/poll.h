#pragma once

#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace chg {

/// Waits until one of these descriptors is ready (readable, hung up, or in error) or `timeout` has
/// passed; missing: for ever. Returns for each whether it is ready. A signal handler that ran ends
/// the wait early, with none ready. Negative descriptors are never ready. `before_sleep` is called
/// when all is prepared: nothing but the system call comes after it.
std::vector<bool> wait_ready(const std::vector<int>& fds, std::optional<Duration> timeout,
                             const std::function<void()>& before_sleep = {});

/// As above, where each descriptor has a name, and several may share one. Returns the names of
/// those that are ready.
template <typename Name>
std::set<Name> wait_ready(const std::vector<std::pair<Name, int>>& named,
                          std::optional<Duration> timeout,
                          const std::function<void()>& before_sleep = {}) {
  std::vector<int> fds;
  for (const auto& [name, fd] : named) fds.push_back(fd);
  const std::vector<bool> ready = wait_ready(fds, timeout, before_sleep);
  std::set<Name> names;
  for (std::size_t i = 0; i < ready.size(); ++i) {
    if (ready[i]) names.insert(named[i].first);
  }
  return names;
}

}  // namespace chg
