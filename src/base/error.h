// The one type of failure. It is thrown where the fact is known, and caught once, in main.
// Outcomes that a caller asked about ("not free", "timed out") are values, not errors.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace chg {

/// What kind of failure it is; the number is the program's exit status.
enum class ErrorKind {
  Failed = 1,
  Usage = 2,
  Unavailable = 75,
  NotPermitted = 77,
  NotExecutable = 126,
  NotFound = 127,
  Interrupted = 130,
};

/// What trying again may bring. Those who must not give up (waiters, supervisors) try again after a
/// transient failure.
enum class Retry : unsigned char {
  No,     ///< nothing: the failure stays
  Later,  ///< transient: a disk is full, a server is away
  Busy,   ///< transient, and no sign that anything is wrong: others held a lock for too long
};

class Error : public std::runtime_error {
 public:
  /// `message`: lower case, no full stop, the offending value in quotes.
  /// `hint`: what to do about it, likewise; empty where there is nothing to do.
  Error(ErrorKind kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}

  ErrorKind kind() const { return kind_; }
  const std::string& hint() const { return hint_; }

  /// The same failure, with what trying again may bring.
  Error with(Retry retry) const {
    Error same = *this;
    same.retry_ = retry;
    return same;
  }

  Retry retry() const { return retry_; }
  bool is_transient() const { return retry_ != Retry::No; }

  int exit_status() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
  std::string hint_;
  Retry retry_ = Retry::No;
};

/// The only place where an errno becomes an Error: "cannot open '/x': Permission denied". Without a
/// hint it gets the one that fits the errno.
/// EACCES and EPERM become NotPermitted, everything else Failed; a shortage (of memory, of the
/// host's descriptors, of space on the disk) and a file system that is read-only are transient, too
/// few descriptors of this process's own are not.
Error errno_error(const std::string& what, int error_number, std::string hint = {});

/// Throws errno_error(what) with the current errno.
[[noreturn]] void throw_errno(const std::string& what);

}  // namespace chg
