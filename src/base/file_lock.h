// One at a time, over all processes of the host.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace chg {

/// What to do where a file system cannot do what a store needs.
inline constexpr const char* kAbleDiskHint =
    "put the store on a disk of this host (--store sqlite:PATH), or into a Redis "
    "(--store redis://HOST)";

/// Holds an exclusive flock on a file for its life. The kernel queues the waiters in order of
/// arrival and lets go of it when the holder ends, however it ends; nobody polls.
class FileLock {
 public:
  /// Waits for the lock. After `patience` it throws a transient Error(Failed), which says of `what`
  /// ("the store") that it is locked, and names the process that holds it. The file must exist.
  /// Throws Error(Failed) with kAbleDiskHint where the file system has no locks.
  FileLock(const std::string& file, const std::string& what, Duration patience);

 private:
  UniqueFd fd_;
};

}  // namespace chg
