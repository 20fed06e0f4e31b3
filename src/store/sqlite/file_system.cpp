#include "store/sqlite/file_system.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/shell_word.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

// Somebody else may have the lock: then there are locks.
bool can_flock(int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == EWOULDBLOCK || errno == EINTR;
}

// Closing the file drops all locks of this kind that this process has on it, which are none.
bool can_lock_range(int fd) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_len = 1;
  return fcntl(fd, F_SETLK, &range) == 0 || errno == EAGAIN || errno == EACCES || errno == EINTR;
}

bool can_share_memory(int fd) {
  void* const memory = mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, 1);
  return true;
}

[[noreturn]] void refuse_file_system(const std::string& store, const char* what, int why) {
  throw Error(ErrorKind::Failed,
              fmt::format("the store '{}' lies on a file system that cannot {}: {}", store, what,
                          std::generic_category().message(why)),
              kAbleDiskHint);
}

}  // namespace

bool is_read_only(const std::string& store) {
  return access(store.c_str(), W_OK) != 0 && errno == EROFS;
}

void require_able_file_system(const std::string& store) {
  // SQLite uses this file for nothing.
  const UniqueFd fd(
      ::open((store + "-lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return;
  if (!can_flock(fd.get()) || !can_lock_range(fd.get())) {
    refuse_file_system(store, "lock files", errno);
  }
  if (!can_share_memory(fd.get())) refuse_file_system(store, "map files into memory", errno);
}

void refuse_read_only(const std::string& store) {
  const std::string folder = std::filesystem::path(store).parent_path();
  throw errno_error(
      fmt::format("the store '{}' cannot be changed", store), EROFS,
      fmt::format("looking is possible; see how its disk is mounted: findmnt -T {}; a container "
                  "needs that folder without 'ro'",
                  shell_word(folder)));
}

}  // namespace chg
