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
  if (stat("/proc/self/ns/pid", &file) != 0) return 0;
  return file.st_ino | own_time_namespace() << 32U;
}

// Whether a pid means the same in /proc as it does to this process. A sandbox may have a pid
// namespace of its own, and the /proc of its host.
bool proc_shows_own_pids() {
  static const bool is_so = [] {
    std::array<char, 16> pid{};
    const bool is_there = ::readlink("/proc/self", pid.data(), pid.size() - 1) > 0;
    return is_there && std::to_string(getpid()) == pid.data();
  }();
  return is_so;
}

bool is_of_this_kernel(const ProcessIdentity& process) { return process.boot_id == boot_id(); }

bool is_of_own_namespace(const ProcessIdentity& process) {
  static const std::uint64_t here = own_pid_namespace();
  return process.pid_namespace == here && proc_shows_own_pids();
}

UniqueFd open_pidfd(int pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

// Whether pidfd_open failed for want of the process (a pid that is a thread's now is no process
// either). Too many open files, or an engine that forbids the
// call, say nothing of it.
bool says_gone(int error_number) {
  return error_number == ESRCH || error_number == EINVAL || error_number == ENOENT;
}

// Says what may forbid pidfd_open: engines of containers whose list of system calls is older than
// it, and kernels that are older.
std::string hint_of_pidfd(int error_number) {
  const bool is_forbidden = error_number == EPERM || error_number == EACCES;
  if (!is_forbidden && error_number != ENOSYS) return "";
  return "pidfd_open is forbidden here (seccomp), or the kernel is older than Linux 5.3: update "
         "the "
         "container engine (Docker 20.10 allows it), or start the container with --security-opt "
         "seccomp=unconfined";
}

// Where there can be no pidfd: whether a process that /proc does not show, or shows as a zombie, is
// there. A zombie may be a first thread that ended before the others, which the directory of its
// threads then names.
bool is_there_without_pidfd(int pid, bool is_zombie) {
  if (!is_zombie) return ::kill(pid, 0) == 0 || errno != ESRCH;
  struct stat threads {};
  const bool is_known = ::stat(fmt::format("/proc/{}/task", pid).c_str(), &threads) == 0;
  return is_known && threads.st_nlink > 3;
}

bool has_ended(const UniqueFd& pidfd) { return wait_ready({pidfd.get()}, Duration::zero())[0]; }

// What /proc and the kernel say of a process of this pid namespace.
Liveness look_at(const ProcessIdentity& process) {
  const auto stat = read_stat(process.pid);
  if (stat && stat->start_ticks != process.start_ticks) return Liveness::Gone;
  if (stat && stat->state != 'Z' && stat->state != 'X') {
    return stat->state == 'T' || stat->state == 't' ? Liveness::Stopped : Liveness::Alive;
  }
  // Either it is not there, or /proc hides other people's (hidepid), or it is a zombie: which may
  // be a first thread that ended before the others. The pidfd knows.
  const UniqueFd pidfd = open_pidfd(process.pid);
  if (!pidfd && says_gone(errno)) return Liveness::Gone;
  const bool is_there = pidfd ? !has_ended(pidfd) : is_there_without_pidfd(process.pid, !!stat);
  if (!is_there) return Liveness::Gone;
  return stat ? Liveness::Alive : Liveness::Hidden;
}

}  // namespace

std::optional<ProcessIdentity> identity_of(int pid) {
  const auto stat = proc_shows_own_pids() ? read_stat(pid) : std::nullopt;
  if (!stat) return std::nullopt;
  ProcessIdentity identity = own_place();
  identity.pid = pid;
  identity.start_ticks = stat->start_ticks;
  return identity;
}

ProcessIdentity own_place() { return {host_name(), boot_id(), own_pid_namespace(), 0, 0}; }

std::string blind_spot() {
  if (!proc_shows_own_pids()) return "/proc does not show the pid namespace of this process";
  if (own_time_namespace() != 0) return "this process is in a time namespace of its own";
  return "";
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
  if (const auto identity = identity_of(getpid())) return *identity;
  if (blind_spot().empty()) {
    throw Error(ErrorKind::Failed, "cannot read '/proc/self/stat'", "is /proc mounted here?");
  }
  throw Error(ErrorKind::Failed, blind_spot(),
              "mount it where the pid namespace is made: unshare --mount-proc");
}

Liveness liveness(const ProcessIdentity& process) {
  const bool is_of_this_boot = is_of_this_kernel(process);
  if (!is_of_this_boot && process.host != host_name()) return Liveness::Unseen;
  const Liveness seen = is_of_own_namespace(process) ? look_at(process) : Liveness::Unseen;
  if (is_of_this_boot || seen == Liveness::Alive || seen == Liveness::Stopped) return seen;
  return Liveness::OtherBoot;
}

UniqueFd watch(const ProcessIdentity& process) {
  if (!is_of_this_kernel(process) || !is_of_own_namespace(process)) return {};
  UniqueFd pidfd = open_pidfd(process.pid);
  if (!pidfd && !says_gone(errno)) {
    throw errno_error(fmt::format("cannot watch process {}", process.pid), errno,
                      hint_of_pidfd(errno));
  }
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
