#include "base/poll.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>

#include "base/error.h"

namespace chg {

std::vector<bool> wait_ready(const std::vector<int>& fds, std::optional<Duration> timeout,
                             const std::function<void()>& before_sleep) {
  std::vector<pollfd> polled;
  polled.reserve(fds.size());
  for (const int fd : fds) polled.push_back({fd, POLLIN, 0});
  timespec limit{};
  if (timeout) {
    const Duration left = std::max(*timeout, Duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (left - seconds).count();
  }
  if (before_sleep) before_sleep();
  const int count = ppoll(polled.data(), polled.size(), timeout ? &limit : nullptr, nullptr);
  if (count < 0 && errno != EINTR) throw_errno("cannot wait");
  std::vector<bool> ready(fds.size(), false);
  if (count <= 0) return ready;
  for (std::size_t i = 0; i < fds.size(); ++i) ready[i] = polled[i].revents != 0;
  return ready;
}

}  // namespace chg
