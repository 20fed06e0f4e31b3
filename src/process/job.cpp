#include "process/job.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <memory>
#include <string_view>
#include <tuple>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/poll.h"
#include "base/unique_fd.h"
#include "process/identity.h"

namespace chg {
namespace {

bool is_gone(const ProcessStat& process) {
  const auto identity = identity_of(process.pid);
  return !identity || liveness(*identity) == Liveness::Gone;
}

std::vector<ProcessStat> live_processes() {
  std::vector<ProcessStat> processes;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (!directory) throw_errno("cannot read '/proc'");
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    int pid = 0;
    const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (status != std::errc() || end != name.data() + name.size()) continue;
    const auto stat = read_stat(pid);
    if (!stat) continue;
    const bool may_have_ended = stat->state == 'Z' || stat->state == 'X';
    // The first thread of a process may end before the others do.
    if (may_have_ended && is_gone(*stat)) continue;
    processes.push_back(*stat);
  }
  return processes;
}

// Whether the assignment is in the environment of the process, as far as this user may read it.
bool carries(int pid, const std::string& assignment) {
  const UniqueFd file(::open(fmt::format("/proc/{}/environ", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  // Between two NULs, so that neither NAME_ID=x nor ID2 is taken for it.
  std::string text(1, '\0');
  std::array<char, 16384> buffer{};
  for (ssize_t size = 0; (size = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  text += '\0';
  return text.find('\0' + assignment + '\0') != std::string::npos;
}

// The members, and those of `known` that live on: descendants whose parents are gone may be out of
// sight, but not forgotten.
std::vector<ProcessIdentity> members_with(const std::vector<ProcessIdentity>& known,
                                          const std::string& reservation_id,
                                          const ProcessIdentity& command) {
  std::vector<ProcessIdentity> members = job_members(reservation_id, command);
  for (const ProcessIdentity& process : known) {
    const bool listed = std::find(members.begin(), members.end(), process) != members.end();
    if (!listed && liveness(process) != Liveness::Gone) members.push_back(process);
  }
  return members;
}

}  // namespace

std::vector<ProcessIdentity> job_members(const std::string& reservation_id,
                                         const ProcessIdentity& command) {
  std::vector<ProcessStat> candidates = live_processes();
  std::erase_if(candidates, [&](const ProcessStat& process) {
    return process.start_ticks < command.start_ticks || process.pid == getpid();
  });
  // A session outlives its leader, and keeps the pid from being given to another: if it is
  // another's, the session is another's too.
  const auto leader = read_stat(command.pid);
  const ProcessIdentity self = self_identity();
  // The pid of another namespace, or of another boot, is some stranger's here.
  const bool is_from_here =
      command.boot_id == self.boot_id && command.pid_namespace == self.pid_namespace;
  const bool may_lead = is_from_here && (!leader || leader->start_ticks == command.start_ticks);
  const std::string assignment = fmt::format("{}={}", kReservationVariable, reservation_id);
  std::vector<int> members;
  const auto take_if = [&](const auto& belongs) {
    const auto taken =
        std::partition(candidates.begin(), candidates.end(),
                       [&](const ProcessStat& process) { return !belongs(process); });
    const bool any = taken != candidates.end();
    for (auto it = taken; it != candidates.end(); ++it) members.push_back(it->pid);
    candidates.erase(taken, candidates.end());
    return any;
  };
  take_if([&](const ProcessStat& process) {
    const bool is_command =
        is_from_here && process.pid == command.pid && process.start_ticks == command.start_ticks;
    const bool in_session = may_lead && process.session == command.pid;
    return is_command || in_session || carries(process.pid, assignment);
  });
  // Children of members, until there are no more.
  while (take_if([&](const ProcessStat& process) {
    return std::find(members.begin(), members.end(), process.parent) != members.end();
  })) {
  }
  std::vector<ProcessIdentity> identities;
  for (const int pid : members) {
    if (const auto identity = identity_of(pid)) identities.push_back(*identity);
  }
  std::sort(identities.begin(), identities.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const ProcessIdentity& process) {
      return std::tuple(process.pid != command.pid, process.start_ticks, process.pid);
    };
    return key(a) < key(b);
  });
  return identities;
}

bool signal_all(const std::vector<ProcessIdentity>& processes, int signal_number) {
  bool reached = false;
  for (const ProcessIdentity& process : processes) {
    try {
      reached = send_signal(process, signal_number) || reached;
    } catch (const Error& error) {
      // A setuid descendant is out of reach; the others are not.
      if (error.kind() != ErrorKind::NotPermitted) throw;
    }
  }
  return reached;
}

void wait_for_an_end(const std::vector<ProcessIdentity>& processes, Duration timeout) {
  std::vector<UniqueFd> watches;
  std::vector<int> fds;
  for (const ProcessIdentity& process : processes) {
    watches.push_back(watch(process));
    if (!watches.back()) return;
    fds.push_back(watches.back().get());
  }
  wait_ready(fds, timeout);
}

void end_job(const std::string& reservation_id, const ProcessIdentity& command, Duration grace,
             const std::function<void()>& meanwhile) {
  constexpr Duration kTick = std::chrono::seconds(10);
  // A process that SIGKILL does not end within this time is stuck in the kernel.
  constexpr Duration kKillPatience = std::chrono::seconds(5);
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto deadline = now() + grace;
  std::vector<ProcessIdentity> members = job_members(reservation_id, command);
  std::vector<ProcessIdentity> told;
  while (!members.empty() && now() < deadline) {
    // Those that came since get their signal, and nobody gets a second one: that often means "now".
    std::vector<ProcessIdentity> fresh = members;
    std::erase_if(fresh, [&](const ProcessIdentity& process) {
      return std::find(told.begin(), told.end(), process) != told.end();
    });
    signal_all(fresh, SIGINT);
    signal_all(fresh, SIGCONT);
    told.insert(told.end(), fresh.begin(), fresh.end());
    wait_for_an_end(members, std::min<Duration>(kTick, deadline - now()));
    meanwhile();
    members = members_with(told, reservation_id, command);
  }
  const auto give_up = now() + kKillPatience;
  while (!members.empty() && now() < give_up) {
    if (!signal_all(members, SIGKILL)) return;
    wait_for_an_end(members, give_up - now());
    members = members_with(members, reservation_id, command);
  }
}

}  // namespace chg
