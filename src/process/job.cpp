#include "process/job.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_text.h"
#include "base/isolation.h"
#include "base/poll.h"
#include "base/process_stat.h"
#include "base/unique_fd.h"
#include "core/inner.h"
#include "process/detached.h"
#include "process/identity.h"
#include "process/process_list.h"

namespace chg {
namespace {

// Reading thousands of environments takes a tenth of a second; what hangs gets a part of the rest.
constexpr std::chrono::seconds kEnvironmentsTimeout(2);

bool is_gone(const ProcessStat& process) {
  const bool may_have_ended = process.state == 'Z' || process.state == 'X';
  // The first thread of a process may end before the others do.
  if (!may_have_ended) return false;
  const auto identity = identity_of(process.pid);
  return !identity || liveness(*identity) == Liveness::Gone;
}

// Whether the environment of the process may be this user's to read.
bool may_be_read(int pid) {
  return ::access(fmt::format("/proc/{}/environ", pid).c_str(), R_OK) == 0;
}

// Whether the assignment is in the environment of the process, or that of a run which was made
// inside this one (core/inner.h). Hangs where its memory is locked.
bool carries(int pid, const std::string& assignment) {
  const auto text = read_file(fmt::format("/proc/{}/environ", pid));
  // Between two NULs, so that neither NAME_ID=x nor ID2 is taken for it.
  const std::string whole = '\0' + text.value_or("") + '\0';
  const std::string_view all = whole;
  const std::string name = '\0' + assignment.substr(0, assignment.find('=') + 1);
  const std::string id = assignment.substr(name.size() - 1);
  for (auto found = all.find(name); found != all.npos; found = all.find(name, found + 1)) {
    const std::string_view value = all.substr(found + name.size());
    if (names_job(value.substr(0, value.find('\0')), id)) return true;
  }
  return false;
}

// Those that have the assignment in their environment, as far as it can be read in time.
std::vector<int> carriers_among(const std::vector<int>& pids, const std::string& assignment) {
  return pids_where(
      pids, [&](int pid) { return carries(pid, assignment); }, kEnvironmentsTimeout);
}

constexpr std::string_view kTitleBegin = "canhazgpu: supervisor of run ";

std::string title_begin(const std::string& reservation_id) {
  return fmt::format("{}{} (", kTitleBegin, reservation_id);
}

std::string title_middle(const std::string& server) {
  return server.empty() ? "" : fmt::format(", {}", server);
}

std::string title_end(int command_pid) { return fmt::format(", pid {})", command_pid); }

// Hangs as `carries` does.
std::string title_of(int pid) {
  std::string title = read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("");
  title.erase(title.find_last_not_of('\0') + 1);
  return title;
}

// The id of the run whose supervisor shows this title, if its store is there; "": it is none.
std::string supervised_run(std::string_view title, const std::string& server) {
  if (!title.starts_with(kTitleBegin)) return "";
  const bool is_there = title.find(title_middle(server) + ", pid ") != std::string_view::npos;
  title.remove_prefix(kTitleBegin.size());
  const std::string_view id = title.substr(0, title.find(" ("));
  // "c.b" was made inside "b".
  const auto is_of_an_id = [](unsigned char c) { return std::isalnum(c) != 0 || c == '.'; };
  const bool is_id = std::all_of(id.begin(), id.end(), is_of_an_id);
  return is_there && is_id ? std::string(id) : "";
}

// Whether the title of the process is that of a supervisor of this run. Hangs as `carries` does.
bool vouches(int pid, const JobMarks& job) {
  const std::string title = title_of(pid);
  return title.starts_with(title_begin(job.reservation_id)) &&
         title.ends_with(title_end(job.command.pid));
}

// Finds the members of a job, and asks as little as it can: a host has thousands of processes.
class MemberSearch {
 public:
  explicit MemberSearch(const JobMarks& job)
      : job_(job),
        command_(job.command),
        self_(self_identity()),
        mark_(job_mark(job.reservation_id)) {
    begin_ = command_.start_ticks;
    if (job.supervisor && job.supervisor->boot_id == self_.boot_id) {
      begin_ = std::max(begin_, job.supervisor->start_ticks);
    }
    const auto now = job.before_it ? mark_pids() : std::nullopt;
    const int older = now ? last_pid_before(*job.before_it, *now).value_or(0) : 0;
    for (const int pid : all_pids()) {
      if (pid == self_.pid || (pid <= older && pid != command_.pid)) continue;
      const bool is_near = pid == command_.pid || ::getsid(pid) == command_.pid;
      if (is_near || may_be_read(pid) || is_marked(pid)) {
        consider(pid);
      } else {
        strangers_.push_back(pid);
      }
    }
  }

  std::vector<int> members(const std::string& assignment) {
    if (!job_.is_hearsay || proves_itself(assignment)) {
      take_command_and_session();
    }
    take_if([&](const ProcessStat& process) { return is_marked(process.pid); });
    take_descendants();
    const std::vector<int> carriers = carriers_among(unrelated(), assignment);
    // Anybody may put the id into an environment of his own.
    take_if([&](const ProcessStat& process) {
      return contains(carriers, process.pid) && is_of_account(process.pid);
    });
    take_descendants();
    return members_;
  }

 private:
  static bool contains(const std::vector<int>& pids, int pid) {
    return std::find(pids.begin(), pids.end(), pid) != pids.end();
  }

  // The pid of another namespace, or of another boot, is some stranger's here.
  bool is_from_here() const {
    return command_.boot_id == self_.boot_id && command_.pid_namespace == self_.pid_namespace;
  }

  bool is_command(const ProcessStat& process) const {
    return is_from_here() && process.pid == command_.pid &&
           process.start_ticks == command_.start_ticks;
  }

  bool is_of_account(int pid) const { return read_real_uid(pid) == job_.uid; }

  // Anybody may give himself any mark, but for root nobody gains by one of another account.
  bool is_marked(int pid) const {
    if (read_lock_limit(pid) != mark_) return false;
    const auto uid = read_real_uid(pid);
    return uid == job_.uid || uid == 0U;
  }

  bool proves_itself(const std::string& assignment) const {
    const bool is_there = std::any_of(candidates_.begin(), candidates_.end(),
                                      [&](const auto& process) { return is_command(process); });
    const bool carries_it = is_there && is_of_account(command_.pid) &&
                            !carriers_among({command_.pid}, assignment).empty();
    if (carries_it) return true;
    // Programs that show a title of their own have written over their environment, and others have
    // changed their account. A supervisor has begun after its command.
    std::vector<int> supervisors;
    for (const ProcessStat& process : candidates_) {
      const bool may_vouch = process.name == kSupervisorName && is_of_account(process.pid);
      if (may_vouch) supervisors.push_back(process.pid);
    }
    const auto vouches_for_it = [&](int pid) { return vouches(pid, job_); };
    return !pids_where(supervisors, vouches_for_it, kEnvironmentsTimeout).empty();
  }

  void consider(int pid) {
    const auto process = read_stat(pid);
    if (!process || is_gone(*process)) return;
    if (process->start_ticks >= begin_ || is_command(*process)) candidates_.push_back(*process);
  }

  // Whether there was any. A supervisor is of no job, wherever it was started: it guards its own.
  template <typename Belongs>
  bool take_if(const Belongs& belongs) {
    const auto taken =
        std::partition(candidates_.begin(), candidates_.end(), [&](const ProcessStat& process) {
          return (process.name == kSupervisorName && !is_command(process)) || !belongs(process);
        });
    const bool any = taken != candidates_.end();
    for (auto it = taken; it != candidates_.end(); ++it) members_.push_back(it->pid);
    candidates_.erase(taken, candidates_.end());
    return any;
  }

  void take_command_and_session() {
    // A session outlives its leader, and keeps the pid from being given to another: if it is
    // another's, the session is another's too.
    const auto leader = read_stat(command_.pid);
    const bool may_lead =
        is_from_here() && (!leader || leader->start_ticks == command_.start_ticks);
    take_if([&](const ProcessStat& process) {
      return is_command(process) || (may_lead && process.session == command_.pid);
    });
  }

  // A descendant may have become another account's.
  void take_descendants() {
    if (members_.empty()) return;
    for (const int pid : std::exchange(strangers_, {})) consider(pid);
    while (
        take_if([&](const ProcessStat& process) { return contains(members_, process.parent); })) {
    }
  }

  // The candidates of which only their environment can tell. That of a supervisor is empty.
  std::vector<int> unrelated() const {
    std::vector<int> pids;
    for (const ProcessStat& process : candidates_) {
      if (process.name != kSupervisorName) pids.push_back(process.pid);
    }
    return pids;
  }

  const JobMarks& job_;
  const ProcessIdentity& command_;
  ProcessIdentity self_;
  std::uint64_t mark_;
  std::uint64_t begin_ = 0;  ///< start ticks: what is older is of no job, but for the command
  std::vector<ProcessStat> candidates_;
  std::vector<int> strangers_;  ///< whose environment cannot be read; not looked at yet
  std::vector<int> members_;
};

// The kernel then refuses what that account may not signal, whatever made us believe that it is of
// a job.
bool signal_as(std::uint32_t uid, const std::vector<ProcessIdentity>& processes,
               int signal_number) {
  constexpr gid_t kNoGroup = 65534;
  constexpr std::chrono::seconds kTimeout(2);
  // To these calls this one means "as it is".
  if (uid == static_cast<uid_t>(-1)) return false;
  const auto work = [&](Notes& notes) {
    const bool is_other = ::setgroups(0, nullptr) == 0 &&
                          ::setresgid(kNoGroup, kNoGroup, kNoGroup) == 0 &&
                          ::setresuid(uid, uid, uid) == 0;
    if (is_other && signal_all(processes, signal_number)) notes.add("reached");
  };
  return !run_isolated("signalling", work, {kTimeout}).notes.empty();
}

}  // namespace

void mark_as_job(const std::string& reservation_id) {
  rlimit limit{};
  const rlim_t mark = job_mark(reservation_id);
  if (::getrlimit(RLIMIT_LOCKS, &limit) != 0 || limit.rlim_max < mark) return;
  limit.rlim_cur = mark;
  ::setrlimit(RLIMIT_LOCKS, &limit);
}

std::vector<ProcessIdentity> job_members(const JobMarks& job) {
  const std::string assignment = fmt::format("{}={}", kReservationVariable, job.reservation_id);
  std::vector<ProcessIdentity> identities;
  for (const int pid : MemberSearch(job).members(assignment)) {
    if (const auto identity = identity_of(pid)) identities.push_back(*identity);
  }
  std::sort(identities.begin(), identities.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const ProcessIdentity& process) {
      return std::tuple(process.pid != job.command.pid, process.start_ticks, process.pid);
    };
    return key(a) < key(b);
  });
  return identities;
}

std::vector<ProcessIdentity> members_with(const std::vector<ProcessIdentity>& known,
                                          const JobMarks& job) {
  std::vector<ProcessIdentity> members = job_members(job);
  for (const ProcessIdentity& process : known) {
    const bool listed = std::find(members.begin(), members.end(), process) != members.end();
    if (!listed && liveness(process) != Liveness::Gone) members.push_back(process);
  }
  return members;
}

std::string supervisor_title(const std::string& reservation_id, const std::string& program,
                             const std::string& server, int command_pid) {
  return title_begin(reservation_id) + program + title_middle(server) + title_end(command_pid);
}

std::vector<std::string> supervised_runs(const std::string& server) {
  std::vector<int> pids;
  for (const int pid : all_pids()) {
    const auto process = read_stat(pid);
    if (process && process->name == kSupervisorName) pids.push_back(pid);
  }
  const auto run_of = [&](int pid) { return supervised_run(title_of(pid), server); };
  std::vector<std::string> ids;
  for (auto& [pid, id] : texts_of(pids, run_of, kEnvironmentsTimeout)) ids.push_back(std::move(id));
  return ids;
}

bool signal_all(const std::vector<ProcessIdentity>& processes, int signal_number,
                const RightsOf& rights) {
  if (rights) return signal_as(*rights, processes, signal_number);
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
    try {
      watches.push_back(watch(process));
    } catch (const Error&) {
      // Too many for the descriptors that this process may have: the others are not watched.
      timeout = std::min<Duration>(timeout, std::chrono::seconds(1));
      break;
    }
    if (!watches.back()) return;
    fds.push_back(watches.back().get());
  }
  wait_ready(fds, timeout);
}

void wait_for_all_ends(const std::vector<ProcessIdentity>& processes, Duration timeout) {
  const auto until = SteadyClock::now() + timeout;
  for (const ProcessIdentity& process : processes) {
    const UniqueFd end = watch(process);
    if (end) wait_ready({end.get()}, until - SteadyClock::now());
  }
}

}  // namespace chg
