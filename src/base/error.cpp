#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace chg {

Error errno_error(const std::string& what, int error_number, std::string hint) {
  const bool permission = error_number == EACCES || error_number == EPERM;
  const Error error(permission ? ErrorKind::NotPermitted : ErrorKind::Failed,
                    what + ": " + std::generic_category().message(error_number), std::move(hint));
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
