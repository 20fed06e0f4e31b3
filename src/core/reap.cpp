#include "core/reap.h"

#include <algorithm>

#include "base/text.h"
#include "core/inner.h"
#include "core/protocol.h"
#include "core/recall.h"

namespace chg {
namespace {

// Whether the observation was taken before `moment`. An observation is always of this boot, so a
// moment of another boot was earlier, even if the wall clock has been set back since.
bool is_older_than(const Observation& observation, const Instant& moment) {
  return !are_of_different_boots(observation.taken, moment) && is_before(observation.taken, moment);
}

bool is_there(Liveness state) { return state == Liveness::Alive || state == Liveness::Stopped; }

// A job whose end can't be seen is not over.
bool may_live(Liveness state) { return is_there(state) || state == Liveness::Hidden; }

// Whether the boot clock has begun anew since that moment. Another boot id alone shows no reboot,
// since a container may have one of its own.
bool has_begun_anew(const Instant& moment, const Instant& now) {
  return are_of_different_boots(moment, now) && now.boot < moment.boot;
}

// What is known of a process that gave its last sign of life at that moment.
Liveness state_of(const ProcessIdentity& process, const Instant& last_heartbeat,
                  const Circumstances& given) {
  const Liveness state = given.liveness(process);
  if (state != Liveness::OtherBoot) return state;
  return has_begun_anew(last_heartbeat, given.now) ? Liveness::Gone : Liveness::Unseen;
}

ProcessIdentity identity_of(const GpuProcess& process, const ProcessIdentity& observer) {
  return {observer.host, observer.boot_id, observer.pid_namespace, process.pid,
          process.start_ticks.value_or(0)};
}

// Of the GPU of the pool with this index; nullptr where either lacks it.
const GpuReading* reading_of(const Pool& pool, int index, const Observation& observation) {
  const Gpu* gpu = find_gpu(pool, index);
  return gpu == nullptr ? nullptr : find_reading(observation, gpu->uuid, index);
}

// Whether processes use it that its driver does not list.
bool has_unlisted_use(const GpuReading& reading, const Policy& policy) {
  return reading.processes_not_supported && is_in_use(reading, policy);
}

// The processes of a job whose command is gone; nullopt where that can't be told: its GPUs can't be
// read, or nobody says whose process is there, as where the driver lists none.
std::optional<std::vector<ProcessIdentity>> remains(const Reservation& run, const Pool& pool,
                                                    const Circumstances& given) {
  const Observation& observation = *given.observation;
  for (const int index : run.gpus) {
    const GpuReading* reading = reading_of(pool, index, observation);
    if (reading == nullptr || !reading->error.empty()) return std::nullopt;
    if (has_unlisted_use(*reading, pool.policy)) return std::nullopt;
    const std::vector<GpuProcess> counted = counted_processes(*reading, pool.policy);
    const bool is_told = std::all_of(counted.begin(), counted.end(), [](const GpuProcess& one) {
      return one.uid || one.reservation_id;
    });
    if (!is_told) return std::nullopt;
  }
  std::vector<ProcessIdentity> remaining;
  for (const GpuProcess& process : job_processes(run, pool, observation)) {
    const ProcessIdentity identity = identity_of(process, observation.observer);
    if (may_live(given.liveness(identity))) remaining.push_back(identity);
  }
  return remaining;
}

struct Ending {
  Instant at;
  EndReason end;
};

// Whether the run is over, and since when. May note what its command has left on its GPUs.
std::optional<Ending> ending_of_run(Reservation& run, const Pool& pool,
                                    const Circumstances& given) {
  const EndReason end = run.ending.value_or(EndReason::Lost);
  const Liveness command = state_of(*run.holder, run.last_heartbeat, given);
  if (may_live(command)) return std::nullopt;
  if (command == Liveness::Unseen) {
    if (time_since(run.last_heartbeat, given.now) <= pool.policy.heartbeat_timeout) {
      return std::nullopt;
    }
    return Ending{run.last_heartbeat, end};
  }
  // After a reboot nobody knows when it ended: its last heartbeat is the last sign of life.
  if (run.holder->boot_id != given.now.boot_id) return Ending{run.last_heartbeat, end};
  if (!run.supervisor) return Ending{given.now, end};
  if (!awaits_observation(run, pool.policy, given)) return std::nullopt;
  if (given.observation == nullptr || is_older_than(*given.observation, run.started)) {
    return std::nullopt;
  }
  const auto remaining = remains(run, pool, given);
  if (!remaining) return std::nullopt;
  run.leftovers = *remaining;
  if (!run.leftovers.empty()) return std::nullopt;
  return Ending{given.now, end};
}

std::optional<Ending> ending_of_manual(const Reservation& manual, const Policy& policy,
                                       const Circumstances& given) {
  // Expiry first: nobody is charged for longer than he asked for, even if his process died before
  // it claimed the reservation.
  if (const auto left = time_to_expiry(manual, given.now); left && *left <= Duration::zero()) {
    const Instant expiry{*manual.ends, given.now.boot + *left, given.now.boot_id};
    return Ending{expiry, EndReason::Expired};
  }
  if (manual.holder && is_gone(*manual.holder, manual.last_heartbeat, policy, given)) {
    return Ending{given.now, EndReason::Lost};
  }
  return std::nullopt;
}

Unavailability unreserved_use(const GpuReading& reading, const Instant& seen,
                              const Policy& policy) {
  Unavailability unavailable{Unavailability::Kind::UnreservedUse, seen, "", {}};
  std::vector<std::string> names;
  bool unknown = false;
  for (const GpuProcess& process : counted_processes(reading, policy)) {
    if (!process.uid) {
      unknown = true;
    } else if (std::find(unavailable.uids.begin(), unavailable.uids.end(), *process.uid) ==
               unavailable.uids.end()) {
      unavailable.uids.push_back(*process.uid);
      names.push_back(process.user);
    }
  }
  // Memory that belongs to no listed process belongs to an unknown user.
  if (unlisted_memory_mib(reading).value_or(0) > policy.memory_threshold_mib) unknown = true;
  if (unknown || names.empty()) {
    names.emplace_back("unknown user");
    unavailable.uids.clear();
  }
  unavailable.what = "by " + join_names(names);
  return unavailable;
}

std::optional<Unavailability> unavailability_of(const GpuReading* reading, const Instant& seen,
                                                const Policy& policy) {
  if (reading == nullptr) {
    return Unavailability{Unavailability::Kind::Error, seen, "not found by the GPU tool", {}};
  }
  if (const auto obstacle = obstacle_of(*reading, policy)) {
    const auto kind =
        obstacle->is_final ? Unavailability::Kind::Never : Unavailability::Kind::Error;
    return Unavailability{kind, seen, obstacle->what, {}};
  }
  if (is_in_use(*reading, policy)) return unreserved_use(*reading, seen, policy);
  return std::nullopt;
}

// Whether somebody unknown is on the run's GPUs, who so may be of its job: the driver lists no
// processes, or /proc tells nothing of one (it is hidden, or this is a container, where the
// drivers' pids mean nothing).
bool may_hide_members(const Reservation& run, const Pool& pool, const Observation& observation) {
  return std::any_of(run.gpus.begin(), run.gpus.end(), [&](int index) {
    const GpuReading* reading = reading_of(pool, index, observation);
    if (reading == nullptr || has_unlisted_use(*reading, pool.policy)) return true;
    const auto counted = counted_processes(*reading, pool.policy);
    return std::any_of(counted.begin(), counted.end(), [](const GpuProcess& process) {
      return !process.start_ticks && !process.uid;
    });
  });
}

}  // namespace

Duration time_since(const Instant& moment, const Instant& now) {
  if (has_begun_anew(moment, now)) return Duration::max();
  return moment.boot_id.empty() ? age(moment, now) : std::max(now.boot - moment.boot, Duration());
}

bool awaits_observation(const Reservation& run, const Policy& policy, const Circumstances& given) {
  const bool is_over = given.can_judge && run.kind == ReservationKind::Run && run.holder &&
                       run.holder->boot_id == given.now.boot_id &&
                       given.liveness(*run.holder) == Liveness::Gone;
  if (!is_over || !run.supervisor) return false;
  // A supervisor that is stopped, or silent for too long, will not end the run by itself.
  const Liveness supervisor = given.liveness(*run.supervisor);
  const bool may_work = supervisor == Liveness::Alive || supervisor == Liveness::Hidden;
  return !may_work || time_since(run.last_heartbeat, given.now) > policy.heartbeat_timeout;
}

// The boot clock counts from the grant, by how long the reservation is on the wall clock. Where
// either clock shows that the host has booted since, only the wall clock tells.
std::optional<Duration> time_to_expiry(const Reservation& manual, const Instant& now) {
  if (!manual.ends) return std::nullopt;
  const Duration by_wall = *manual.ends - now.wall;
  const bool has_booted =
      are_of_different_boots(manual.started, now) &&
      (now.boot < manual.started.boot || manual.started.wall < now.wall - now.boot);
  if (has_booted || manual.started.boot_id.empty()) return by_wall;
  const Duration length = *manual.ends - manual.started.wall;
  return std::max(by_wall, length - (now.boot - manual.started.boot));
}

bool is_gone(const ProcessIdentity& process, const Instant& last_heartbeat, const Policy& policy,
             const Circumstances& given) {
  if (!given.can_judge) return false;
  const Liveness state = state_of(process, last_heartbeat, given);
  if (state == Liveness::Unseen) {
    return time_since(last_heartbeat, given.now) > policy.heartbeat_timeout;
  }
  return state == Liveness::Gone;
}

void reap(Pool& pool, const Circumstances& given) {
  if (!given.can_judge) return;
  // Decided first and carried out after: ending one changes the list that is walked.
  std::vector<std::pair<std::string, Ending>> over;
  for (Reservation& reservation : pool.reservations) {
    const bool is_run = reservation.kind == ReservationKind::Run && reservation.holder;
    const std::optional<Ending> ending = is_run ? ending_of_run(reservation, pool, given)
                                                : ending_of_manual(reservation, pool.policy, given);
    if (ending) over.emplace_back(reservation.id, *ending);
  }
  // Those inside of another before it: else they would seem to have gone on alone.
  std::stable_sort(over.begin(), over.end(), [](const auto& a, const auto& b) {
    return depth_of(a.first) > depth_of(b.first);
  });
  for (const auto& [id, ending] : over) {
    const std::optional<Account> actor = find_reservation(pool, id)->ending_by;
    end_reservation(pool, id, ending.at, ending.end, actor);
  }
}

void drop_gone_waiters(Pool& pool, const Circumstances& given) {
  const auto has_gone = [&](const auto& one) {
    return is_gone(one.waiter, one.last_heartbeat, pool.policy, given);
  };
  std::erase_if(pool.queue, [&](const Request& request) {
    const bool gone = has_gone(request);
    if (gone) add_event(pool, EventKind::Withdrawn, request, std::nullopt);
    return gone;
  });
  std::erase_if(pool.cancelled, has_gone);
}

void observe(Gpu& gpu, const Observation& observation, const Policy& policy) {
  if (gpu.last_released && is_older_than(observation, *gpu.last_released)) return;
  if (gpu.unavailable && is_older_than(observation, gpu.unavailable->seen)) return;
  const GpuReading* reading = find_reading(observation, gpu.uuid, gpu.index);
  if (reading == nullptr && observation.is_partial) return;
  const auto found = unavailability_of(reading, observation.taken, policy);
  // What is known already keeps the time when it was first seen: looking again changes nothing.
  const bool same = found && gpu.unavailable && found->kind == gpu.unavailable->kind &&
                    found->what == gpu.unavailable->what && found->uids == gpu.unavailable->uids;
  if (!same) gpu.unavailable = found;
}

void observe(Pool& pool, const Observation& observation) {
  for (Gpu& gpu : pool.gpus) {
    if (reservation_of(pool, gpu.index) == nullptr) {
      observe(gpu, observation, pool.policy);
    } else {
      gpu.unavailable.reset();
    }
  }
}

void pass_on_untaken(Pool& pool, const Circumstances& given) {
  if (!given.can_judge) return;
  std::vector<Request> untaken;
  for (const Reservation& reservation : pool.reservations) {
    if (!reservation.request) continue;
    const bool is_stopped = given.liveness(reservation.request->waiter) == Liveness::Stopped;
    const Duration patience = is_stopped ? kStoppedPatience : kTakePatience;
    if (time_since(reservation.started, given.now) >= patience)
      untaken.push_back(*reservation.request);
  }
  for (Request& request : untaken) {
    request.passed_over = true;
    return_to_queue(pool, request);
    Event& event = pool.events.back();
    event.actor.reset();
    event.detail = "its waiter did not take it";
  }
}

std::optional<Duration> time_to_pass_on(const Reservation& reservation, const Instant& now) {
  if (!reservation.request) return std::nullopt;
  const Duration waited = time_since(reservation.started, now);
  return (waited < kStoppedPatience ? kStoppedPatience : kTakePatience) - waited;
}

void bring_up_to_date(Pool& pool, const Circumstances& given) {
  end_old_recall(pool, given.now);
  reap(pool, given);
  pass_on_untaken(pool, given);
  if (given.observation != nullptr) observe(pool, *given.observation);
}

bool is_of_job(const GpuProcess& process, const Reservation& reservation,
               const ProcessIdentity& observer) {
  const std::string carried = process.reservation_id.value_or("");
  const bool is_other = process.uid && *process.uid != reservation.account.uid;
  if (!carried.empty() && !names_job(carried, reservation.id)) return false;
  if (!carried.empty() && !is_other) return true;
  const bool may_be_marked = !is_other || process.uid == 0U;
  if (may_be_marked && process.job_mark == job_mark(reservation.id)) return true;
  std::vector<ProcessIdentity> job = reservation.leftovers;
  if (reservation.holder) job.push_back(*reservation.holder);
  const auto is_of_it = [&](int pid, std::uint64_t start_ticks) {
    const ProcessIdentity identity{observer.host, observer.boot_id, observer.pid_namespace, pid,
                                   start_ticks};
    return std::find(job.begin(), job.end(), identity) != job.end();
  };
  return (process.start_ticks && is_of_it(process.pid, *process.start_ticks)) ||
         std::any_of(process.ancestors.begin(), process.ancestors.end(),
                     [&](const Ancestor& one) { return is_of_it(one.pid, one.start_ticks); });
}

std::vector<GpuProcess> job_processes(const Reservation& reservation, const Pool& pool,
                                      const Observation& observation) {
  std::vector<GpuProcess> found;
  for (const int index : reservation.gpus) {
    const GpuReading* reading = reading_of(pool, index, observation);
    if (reading == nullptr) continue;
    for (const GpuProcess& process : counted_processes(*reading, pool.policy)) {
      // Where the environment can't be read, the account decides.
      const bool belongs = is_of_job(process, reservation, observation.observer) ||
                           (!process.reservation_id && process.uid == reservation.account.uid);
      const bool listed = std::any_of(found.begin(), found.end(), [&](const GpuProcess& other) {
        return other.pid == process.pid;
      });
      if (belongs && !listed) found.push_back(process);
    }
  }
  return found;
}

JobUse use_by_members(const std::vector<ProcessIdentity>& members, const Reservation& own,
                      const Pool& pool, const Observation& observation) {
  // It may have reclaimed lost GPUs since it was last read.
  const Reservation* known = find_reservation(pool, own.id);
  Reservation on_one = known != nullptr ? *known : own;
  if (may_hide_members(on_one, pool, observation)) return {members, {}};
  const std::vector<int> gpus = on_one.gpus;
  on_one.leftovers = members;
  JobUse use;
  for (const int gpu : gpus) {
    on_one.gpus = {gpu};
    for (const GpuProcess& process : job_processes(on_one, pool, observation)) {
      const auto has_pid = [&](const ProcessIdentity& other) { return other.pid == process.pid; };
      const auto member = std::find_if(members.begin(), members.end(), has_pid);
      if (member == members.end()) continue;
      if (std::none_of(use.processes.begin(), use.processes.end(), has_pid)) {
        use.processes.push_back(*member);
      }
      if (use.gpus.empty() || use.gpus.back() != gpu) use.gpus.push_back(gpu);
    }
  }
  return use;
}

Duration grace_left(Leftovers leftovers, Duration since_end, Duration grace) {
  if (leftovers != Leftovers::Keep) return Duration::zero();
  return std::max<Duration>(grace - since_end, Duration::zero());
}

std::vector<ProcessIdentity> keeping_leftovers(const std::vector<ProcessIdentity>& members,
                                               const JobUse& use, Duration left) {
  return left > Duration::zero() ? members : use.processes;
}

bool covers(const Observation& observation, const Pool& pool, const std::vector<int>& gpus) {
  return std::all_of(gpus.begin(), gpus.end(), [&](int index) {
    const Gpu* gpu = find_gpu(pool, index);
    if (gpu == nullptr || find_reading(observation, gpu->uuid, index) == nullptr) return false;
    return !gpu->last_released || !is_older_than(observation, *gpu->last_released);
  });
}

std::vector<ProcessIdentity> deciding_processes(const Reservation& reservation,
                                                const LivenessOf& liveness) {
  std::vector<ProcessIdentity> keeping;
  const auto add = [&](const ProcessIdentity& process) {
    if (is_there(liveness(process))) keeping.push_back(process);
  };
  if (reservation.holder) add(*reservation.holder);
  if (!keeping.empty()) return keeping;
  for (const ProcessIdentity& leftover : reservation.leftovers) add(leftover);
  if (reservation.supervisor) add(*reservation.supervisor);
  return keeping;
}

}  // namespace chg
