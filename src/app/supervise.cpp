#include "app/supervise.h"

#include <algorithm>

#include <unistd.h>

#include "app/pool_update.h"
#include "base/error.h"
#include "base/poll.h"
#include "core/reap.h"
#include "process/identity.h"
#include "process/job.h"

namespace chg {
namespace {

class Supervisor {
 public:
  Supervisor(Host& host, const Supervision& supervision)
      : host_(host), supervision_(supervision), started_(host.now()), last_heartbeat_(started_) {}

  void attach() {
    // Before anybody relies on this supervisor: one that can't watch is none.
    command_ = watch(supervision_.command);
    bool found = false;
    const ProcessIdentity self = self_identity();
    update_pool(host_, nullptr, [&](Pool& pool, const Instant& now) {
      Reservation* held = find_reservation(pool, supervision_.reservation_id);
      found = held != nullptr;
      if (!found) return;
      held->supervisor = self;
      held->last_heartbeat = now;
    });
    if (!found) throw Error(ErrorKind::Failed, "the reservation is gone");
    host_.close_store();
  }

  void work() {
    watch_command();
    if (supervision_.leftovers == Leftovers::Kill) {
      end_members();
    } else if (supervision_.leftovers == Leftovers::Keep) {
      keep_for_leftovers();
    }
    persist([&] {
      update_pool(host_, nullptr, [&](Pool& pool, const Instant& now) {
        const std::string& id = supervision_.reservation_id;
        if (const Reservation* held = find_reservation(pool, id)) {
          end_reservation(pool, id, now, held->ending.value_or(End::Finished));
        }
      });
    });
    host_.store().tidy_up();
  }

 private:
  void watch_command() {
    bool timed_out = false;
    while (command_) {
      Duration due = host_.settings().heartbeat_interval - age(last_heartbeat_, host_.now());
      if (supervision_.timeout && !timed_out) {
        due = std::min(due, *supervision_.timeout - age(started_, host_.now()));
      }
      if (wait_ready({command_.get()}, due)[0]) return;
      const bool is_late =
          supervision_.timeout && age(started_, host_.now()) >= *supervision_.timeout;
      if (is_late && !timed_out) {
        timed_out = true;
        mark_ending(End::TimedOut);
        end_members();
      }
      beat();
    }
  }

  void end_members() {
    end_job(supervision_.reservation_id, supervision_.command, supervision_.grace, [&] { beat(); });
  }

  // Best effort: the record of how it ended is worth less than the ending.
  void mark_ending(End end) {
    change_own([&](Reservation& held, const Instant&) { held.ending = end; });
  }

  void beat() {
    if (age(last_heartbeat_, host_.now()) < host_.settings().heartbeat_interval) return;
    last_heartbeat_ = host_.now();
    change_own([](Reservation& held, const Instant& now) { held.last_heartbeat = now; });
  }

  void change_own(const std::function<void(Reservation&, const Instant&)>& change) {
    try {
      update_pool(host_, nullptr, [&](Pool& pool, const Instant& now) {
        if (Reservation* held = find_reservation(pool, supervision_.reservation_id)) {
          change(*held, now);
        }
      });
    } catch (const Error&) {
      // The next heartbeat tries again.
    }
    host_.close_store();
  }

  // Returns when nothing of the job is left on its GPUs. What lives but does not use them is no
  // reason to stay, and nobody looks at the GPUs while nothing of the job lives.
  void keep_for_leftovers() {
    while (true) {
      const std::vector<ProcessIdentity> members =
          job_members(supervision_.reservation_id, supervision_.command);
      if (members.empty()) return;
      const std::vector<ProcessIdentity> leftovers = on_gpus(members);
      if (leftovers.empty()) return;
      change_own([&](Reservation& held, const Instant&) { held.leftovers = leftovers; });
      // A process may also give its memory back and live on; that is only seen by looking again.
      wait_for_an_end(leftovers, std::chrono::seconds(10));
      beat();
    }
  }

  // Whether a process on the job's GPUs can't be told from a member: where /proc hides it, or in a
  // container, for which the pids that drivers list mean nothing.
  bool has_strangers(const Reservation& held, const Pool& pool, const Observation& observation) {
    return std::any_of(held.gpus.begin(), held.gpus.end(), [&](int index) {
      const Gpu* gpu = find_gpu(pool, index);
      const GpuReading* reading =
          gpu == nullptr ? nullptr : find_reading(observation, gpu->uuid, index);
      if (reading == nullptr) return true;
      const auto counted = counted_processes(*reading, host_.settings());
      return std::any_of(counted.begin(), counted.end(), [](const GpuProcess& process) {
        return !process.start_ticks && !process.uid;
      });
    });
  }

  // Those of the members that use the job's GPUs; all of them while that can't be seen.
  std::vector<ProcessIdentity> on_gpus(const std::vector<ProcessIdentity>& members) {
    try {
      const Observation observation = host_.look();
      const Pool pool = host_.store().read();
      const Reservation* held = find_reservation(pool, supervision_.reservation_id);
      if (held == nullptr) return {};
      if (has_strangers(*held, pool, observation)) return members;
      std::vector<ProcessIdentity> using_gpus;
      for (const GpuProcess& process : job_processes(*held, pool, observation, host_.settings())) {
        const auto member =
            std::find_if(members.begin(), members.end(),
                         [&](const ProcessIdentity& other) { return other.pid == process.pid; });
        if (member != members.end()) using_gpus.push_back(*member);
      }
      return using_gpus;
    } catch (const Error&) {
      return members;
    }
  }

  // Does it, again and again if it must, less and less often: a full disk does not stay full, and
  // rights come back. A store that is gone or damaged has no reservation to give back.
  template <typename Action>
  void persist(const Action& action) {
    for (unsigned pause_s = 1;; pause_s = std::min(pause_s * 2, 60U)) {
      try {
        return action();
      } catch (const Error& error) {
        host_.close_store();
        if (!error.is_passing() && error.kind() != ErrorKind::NotPermitted) return;
        ::sleep(pause_s);
      }
    }
  }

  Host& host_;
  const Supervision& supervision_;
  UniqueFd command_;  ///< empty: it had ended before it could be watched
  Instant started_;
  Instant last_heartbeat_;
};

}  // namespace

void supervise(Host& host, const Supervision& supervision, const std::function<void()>& ready) {
  Supervisor supervisor(host, supervision);
  supervisor.attach();
  ready();
  supervisor.work();
}

}  // namespace chg
