// Who a process is, as a value that can be stored, compared, and checked by anybody later.
#pragma once

#include <cstdint>
#include <string>

namespace chg {

/// The environment variable that tells the processes of a job which reservation they belong to.
inline constexpr char kReservationVariable[] = "CANHAZGPU_RESERVATION";

/// The mark of a job: the soft limit of file locks (RLIMIT_LOCKS) of its processes. Linux has not
/// obeyed that limit since 2.4; all that a process starts inherits it, and /proc/PID/limits shows
/// it to everybody. Never 0.
std::uint64_t job_mark(const std::string& reservation_id);

/// A process is never a bare pid: pids are reused, within minutes on a busy host.
struct ProcessIdentity {
  std::string host;     ///< host name; tells people where, decides only across boots
  std::string boot_id;  ///< the kernel's boot; pids of another boot mean nothing
  /// Where `pid` and `start_ticks` count: the inode of /proc/self/ns/pid, and in the upper half
  /// that of the time namespace, where this is not the first.
  std::uint64_t pid_namespace = 0;
  int pid = 0;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat: clock ticks after boot

  bool operator==(const ProcessIdentity&) const = default;
};

/// The inode of the pid namespace that the kernel begins with (PROC_PID_INIT_INO in proc_ns.h of
/// Linux). GPU drivers list pids of this one, whoever asks.
inline constexpr std::uint64_t kFirstPidNamespace = 0xEFFFFFFC;

/// What can be known here and now of a process.
enum class Liveness {
  Alive,
  Stopped,  ///< exists, but SIGSTOP or a debugger holds it: it can't act
  Gone,     ///< ended, a zombie, or its pid now belongs to another process
  /// Of this host, by its name, and of another boot, by its id; no such process is seen. It is gone
  /// if the host has booted since.
  OtherBoot,
  Unseen,  ///< of another host or pid namespace: only its heartbeat tells
  Hidden,  ///< a process has its pid, and nobody tells which (hidepid): those decide who see it
};

}  // namespace chg
