#include "process/job_end.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/process_stat.h"
#include "process/identity.h"

namespace chg {
namespace {

using What = EndStep::What;
using Processes = std::vector<ProcessIdentity>;

constexpr Duration kTick = std::chrono::seconds(10);
// A process that SIGKILL does not end within this time is stuck in the kernel.
constexpr Duration kKillPatience = std::chrono::seconds(5);

bool is_among(const Processes& processes, const ProcessIdentity& process) {
  return std::find(processes.begin(), processes.end(), process) != processes.end();
}

Processes without(const Processes& excluded, Processes processes) {
  std::erase_if(processes, [&](const auto& process) { return is_among(excluded, process); });
  return processes;
}

bool is_out_of_reach(const ProcessIdentity& process) {
  try {
    send_signal(process, 0);
    return false;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::NotPermitted) throw;
    return true;
  }
}

class JobEnd {
 public:
  JobEnd(const JobMarks& job, const EndPlan& plan, const RightsOf& rights)
      : job_(job), plan_(plan), rights_(rights), members_(job_members(job)) {
    if (plan.first_signal == SIGKILL) return;
    const auto begin = SteadyClock::now();
    deadline_ = begin + plan.grace;
    // What handles the first signal has work to do, and most of the grace for it.
    second_ = plan.first_signal == SIGTERM ? deadline_ : begin + plan.grace * 2 / 3;
  }

  void ask(const std::function<void()>& meanwhile) {
    while (!members_.empty() && left() > Duration::zero()) {
      ask_the_fresh();
      const bool is_second = SteadyClock::now() >= second_;
      if (is_second) send(SIGTERM, What::AskedAgain, without(termed_, members_));
      const auto next = is_second ? deadline_ : second_;
      wait_for_an_end(members_, std::min<Duration>(kTick, next - SteadyClock::now()));
      meanwhile();
      members_ = members_with(known_, job_);
    }
  }

  void kill() {
    note_out_of_reach(members_);
    const auto give_up = SteadyClock::now() + kKillPatience;
    while (!members_.empty() && SteadyClock::now() < give_up) {
      tell(What::Killed, SIGKILL, without(out_of_reach_, members_));
      if (!signal_all(members_, SIGKILL, rights_)) return;
      wait_for_an_end(members_, give_up - SteadyClock::now());
      members_ = members_with(members_, job_);
    }
  }

 private:
  Duration left() const { return deadline_ - SteadyClock::now(); }

  // Those that came since.
  void ask_the_fresh() {
    Processes hearing;
    Processes deaf;
    for (const ProcessIdentity& process : without(known_, members_)) {
      known_.push_back(process);
      const bool is_deaf =
          plan_.first_signal != SIGTERM && ignores_signal(process.pid, plan_.first_signal);
      (is_deaf ? deaf : hearing).push_back(process);
    }
    Processes fresh = hearing;
    fresh.insert(fresh.end(), deaf.begin(), deaf.end());
    if (fresh.empty()) return;
    note_out_of_reach(fresh);
    send(plan_.first_signal, What::Asked, hearing);
    send(SIGTERM, What::AskedDeaf, deaf);
    signal_all(fresh, SIGCONT, rights_);
  }

  void send(int signal, What what, const Processes& targets) {
    if (signal == SIGTERM) termed_.insert(termed_.end(), targets.begin(), targets.end());
    tell(what, signal, without(out_of_reach_, targets));
    signal_all(targets, signal, rights_);
  }

  // With the rights of another account nobody is told of.
  void note_out_of_reach(const Processes& processes) {
    if (rights_) return;
    Processes found;
    for (const ProcessIdentity& process : without(out_of_reach_, processes)) {
      if (is_out_of_reach(process)) found.push_back(process);
    }
    out_of_reach_.insert(out_of_reach_.end(), found.begin(), found.end());
    tell(What::OutOfReach, 0, found);
  }

  void tell(What what, int signal, const Processes& processes) {
    if (processes.empty() || !told_.insert(what).second) return;
    plan_.tell({what, signal, processes, std::max(left(), Duration::zero())});
  }

  const JobMarks& job_;
  const EndPlan& plan_;
  const RightsOf& rights_;
  SteadyClock::time_point deadline_{};
  SteadyClock::time_point second_{};  ///< when those that are left get SIGTERM
  Processes members_;
  Processes known_;   ///< looked at once
  Processes termed_;  ///< got SIGTERM
  Processes out_of_reach_;
  std::set<What> told_;
};

}  // namespace

void end_job(const JobMarks& job, const EndPlan& plan, const std::function<void()>& meanwhile,
             const RightsOf& rights) {
  JobEnd end(job, plan, rights);
  end.ask(meanwhile);
  end.kill();
}

}  // namespace chg
