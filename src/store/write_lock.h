// One writer at a time, over all processes of the host.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace chg {

/// Holds an exclusive flock on a file for its life. The kernel queues the waiters in order of
/// arrival and lets go of it when the holder ends, however it ends; nobody polls.
class WriteLock {
 public:
  /// Waits for the lock; throws Error(Failed), naming the process that holds it, after `patience`.
  /// The file must exist.
  WriteLock(const std::string& file, Duration patience);

 private:
  UniqueFd fd_;
};

}  // namespace chg
