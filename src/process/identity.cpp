#include "process/identity.h"

#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/poll.h"
#include "base/process_stat.h"
#include "base/text.h"

namespace chg {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  // Anything goes in a namespace of one's own; a line of the store is no place for it.
  return printable(name.data());
}

std::uint64_t own_pid_namespace() {
  struct stat file {};
  return stat("/proc/self/ns/pid", &file) == 0 ? file.st_ino : 0;
}

bool is_of_this_kernel(const ProcessIdentity& process) { return process.boot_id == boot_id(); }

bool is_seen_from_here(const ProcessIdentity& process) {
  static const std::uint64_t here = own_pid_namespace();
  return is_of_this_kernel(process) && process.pid_namespace == here;
}

UniqueFd open_pidfd(int pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

// Whether pidfd_open failed for want of the process (a pid that is a thread's now is no process
// either). Too many open files and the like say nothing of it.
bool says_gone(int error_number) {
  return error_number == ESRCH || error_number == EINVAL || error_number == ENOENT;
}

bool has_ended(const UniqueFd& pidfd) { return wait_ready({pidfd.get()}, Duration::zero())[0]; }

}  // namespace

std::optional<ProcessIdentity> identity_of(int pid) {
  const auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  return ProcessIdentity{host_name(), boot_id(), own_pid_namespace(), pid, stat->start_ticks};
}

HostIdentity this_host() { return {host_name(), boot_id()}; }

bool knows_host_name() {
  // The inode of the namespace of names that the kernel begins with (PROC_UTS_INIT_INO in proc_ns.h
  // of Linux).
  constexpr std::uint64_t kFirstNamesNamespace = 0xEFFFFFFE;
  struct stat file {};
  return stat("/proc/self/ns/uts", &file) == 0 && file.st_ino == kFirstNamesNamespace;
}

ProcessIdentity self_identity() {
  const auto identity = identity_of(getpid());
  if (!identity) {
    throw Error(ErrorKind::Failed, "cannot read '/proc/self/stat'", "is /proc mounted here?");
  }
  return *identity;
}

Liveness liveness(const ProcessIdentity& process) {
  if (!is_of_this_kernel(process)) {
    // Another boot of this host ended it; another host cannot be seen.
    return process.host == host_name() ? Liveness::Gone : Liveness::Unseen;
  }
  if (!is_seen_from_here(process)) return Liveness::Unseen;
  const auto stat = read_stat(process.pid);
  if (stat && stat->start_ticks != process.start_ticks) return Liveness::Gone;
  if (stat && stat->state != 'Z' && stat->state != 'X') {
    return stat->state == 'T' || stat->state == 't' ? Liveness::Stopped : Liveness::Alive;
  }
  // Either it is not there, or /proc hides other people's (hidepid), or it is a zombie: which may
  // be a first thread that ended before the others. The pidfd knows.
  const UniqueFd pidfd = open_pidfd(process.pid);
  if (!pidfd) return says_gone(errno) ? Liveness::Gone : Liveness::Unseen;
  if (has_ended(pidfd)) return Liveness::Gone;
  return stat ? Liveness::Alive : Liveness::Unseen;
}

UniqueFd watch(const ProcessIdentity& process) {
  if (!is_seen_from_here(process)) return {};
  UniqueFd pidfd = open_pidfd(process.pid);
  if (!pidfd && !says_gone(errno)) throw_errno(fmt::format("cannot watch process {}", process.pid));
  // Looked at after the pidfd was opened: from then on the pid cannot become another's unnoticed.
  if (pidfd && liveness(process) == Liveness::Gone) return {};
  return pidfd;
}

bool send_signal(const ProcessIdentity& process, int signal_number) {
  const UniqueFd pidfd = watch(process);
  // A process that /proc hides may have got the pid since.
  if (!pidfd || liveness(process) == Liveness::Unseen) return false;
  if (syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw_errno(fmt::format("cannot signal process {}", process.pid));
}

}  // namespace chg
