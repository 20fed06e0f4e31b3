#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace chg {

Error errno_error(const std::string& what, int error_number, std::string hint) {
  const bool permission = error_number == EACCES || error_number == EPERM;
  return Error(permission ? ErrorKind::NotPermitted : ErrorKind::Failed,
               what + ": " + std::generic_category().message(error_number), std::move(hint));
}

void throw_errno(const std::string& what) { throw errno_error(what, errno); }

}  // namespace chg
