// What a test asks the system about processes.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace chg {

/// Far more than any program of a test needs; a test that waits for it has failed.
inline constexpr std::chrono::seconds kAmple(30);

/// Waits for the end of any process; true when it has ended.
inline bool has_ended(int pid) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return errno == ESRCH;
  pollfd event{pidfd.get(), POLLIN, 0};
  return ::poll(&event, 1, 10'000) == 1;
}

/// How many descriptors this process has.
inline std::size_t open_fds() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace chg
