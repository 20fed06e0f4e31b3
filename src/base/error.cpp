#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace chg {
namespace {

// What people can do about it, whatever it was that failed.
const char* hint_for(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
      return "see who you are and what you may use: id; and ask the administrator";
    case EAGAIN:
      return "there are too many processes: see ulimit -u, and TasksMax of systemctl status";
    case EDQUOT:
      return "your share of the disk is used up: see quota";
    case EFBIG:
      return "raise the limit of a file's size: ulimit -f unlimited";
    case EIO:
      return "its disk or device fails: see dmesg";
    case ELOOP:
      return "it is a link, which is not followed: name the file itself";
    case EMFILE:
      return "raise the limit of open files: ulimit -n";
    case ENAMETOOLONG:
      return "name a shorter path";
    case ENFILE:
      return "the host has too many files open: see /proc/sys/fs/file-nr";
    case ENOENT:
    case ENOTDIR:
      return "is the path right, and its folder there?";
    case ENOMEM:
      return "see what limits memory: free, ulimit -v, systemctl status (MemoryMax)";
    case ENOSPC:
      return "make room on its disk: see df";
    case ENOSYS:
      return "the kernel is too old for it, or a container forbids it (seccomp)";
    case EROFS:
      return "see how its disk is mounted: findmnt";
    default:
      return "";
  }
}

}  // namespace

Error errno_error(const std::string& what, int error_number, std::string hint) {
  const bool permission = error_number == EACCES || error_number == EPERM;
  const Error error(permission ? ErrorKind::NotPermitted : ErrorKind::Failed,
                    what + ": " + std::generic_category().message(error_number),
                    hint.empty() ? hint_for(error_number) : std::move(hint));
  switch (error_number) {
    case EAGAIN:
    case EDQUOT:
    case EIO:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case EROFS:  // as of a file system that met an error, until it is mounted anew
      return error.with(Retry::Later);
    default:
      return error;
  }
}

void throw_errno(const std::string& what) { throw errno_error(what, errno); }

}  // namespace chg
