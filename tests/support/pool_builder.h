// Pools that read well: what is special about a request, reservation or reading is named, the rest
// is as good as any. One moment, one host, and three people: alice (1000), bob (1001), carol
// (1002).
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/account.h"
#include "core/observation.h"
#include "core/pool.h"
#include "core/reap.h"
#include "core/schedule.h"

namespace chg {

inline constexpr std::uint32_t kAlice = 1000;
inline constexpr std::uint32_t kBob = 1001;
inline constexpr std::uint32_t kCarol = 1002;

inline Account account(std::uint32_t uid) {
  if (uid == kAlice) return {uid, "alice"};
  if (uid == kBob) return {uid, "bob"};
  if (uid == kCarol) return {uid, "carol"};
  return {uid, "user" + std::to_string(uid)};
}

/// A clock that tests move. It begins on 2026-11-24 at 13:00:00 UTC.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }

  void advance(Duration by) {
    now_.wall += by;
    now_.boot += by;
  }

  /// Somebody sets the wall clock.
  void step_wall(Duration by) { now_.wall += by; }

  void reboot() {
    now_.wall += std::chrono::minutes(2);
    now_.boot = std::chrono::seconds(20);
    now_.boot_id = "next-boot";
  }

 private:
  Instant now_{WallTime(std::chrono::seconds(1795525200)), std::chrono::hours(100), "boot"};
};

/// A process of the host of these tests.
inline ProcessIdentity process(int pid) {
  return {"host", "boot", 7, pid, static_cast<std::uint64_t>(pid) * 10};
}

/// What is known of each pid; Alive unless told otherwise.
class ScriptedLiveness {
 public:
  void set(int pid, Liveness state) { states_[pid] = state; }
  void set(const std::vector<int>& pids, Liveness state) {
    for (const int pid : pids) set(pid, state);
  }

  Liveness operator()(const ProcessIdentity& process) const {
    const auto known = states_.find(process.pid);
    return known == states_.end() ? Liveness::Alive : known->second;
  }

 private:
  std::map<int, Liveness> states_;
};

/// What is special about a request. `pid` is its waiter's; 0 makes one up.
struct Ask {
  std::string id = "r1";
  std::uint32_t uid = kAlice;
  std::string label = {};
  std::string note = {};
  ReservationKind kind = ReservationKind::Run;
  int count = 1;
  std::vector<int> gpu_ids = {};
  bool force = false;
  std::optional<Duration> duration = {};
  int pid = 0;
};

/// What is special about a reservation. `holder` and `supervisor` are pids; 0: none.
struct Hold {
  std::string id = "h1";
  std::uint32_t uid = kAlice;
  std::string label = {};
  ReservationKind kind = ReservationKind::Run;
  std::vector<int> gpus = {0};
  std::optional<Duration> ends_in = {};
  Duration age = Duration::zero();
  Duration silent = Duration::zero();
  int holder = 0;
  int supervisor = 0;
  std::vector<int> leftovers = {};
};

/// What is special about a process on a GPU.
struct OnGpu {
  int pid = 4242;
  std::optional<std::uint32_t> uid = kAlice;
  std::string program = "python3";
  std::optional<std::uint64_t> memory_mib = 1000;
  GpuProcess::Type type = GpuProcess::Type::Compute;
  std::optional<std::string> reservation_id = "";
  std::vector<int> ancestors = {};  ///< pids, its parent first
  std::string system_program = {};
};

inline GpuProcess on_gpu(const OnGpu& special) {
  GpuProcess made;
  made.pid = special.pid;
  made.start_ticks = static_cast<std::uint64_t>(special.pid) * 10;
  made.uid = special.uid;
  if (special.uid) made.user = account(*special.uid).name;
  made.program = special.program;
  made.memory_mib = special.memory_mib;
  made.type = special.type;
  made.reservation_id = special.reservation_id;
  made.system_program = special.system_program;
  for (const int pid : special.ancestors) made.ancestors.push_back({pid, process(pid).start_ticks});
  return made;
}

/// A reading whose used memory is that of its processes and `unlisted_mib` more.
inline GpuReading reading(int index, const std::vector<OnGpu>& processes = {},
                          std::uint64_t unlisted_mib = 4) {
  GpuReading made;
  made.index = index;
  made.uuid = "GPU-" + std::to_string(index);
  made.model = "H100";
  made.memory_total_mib = 81559;
  made.memory_used_mib = unlisted_mib;
  for (const OnGpu& one : processes) {
    made.processes.push_back(on_gpu(one));
    *made.memory_used_mib += one.memory_mib.value_or(0);
  }
  return made;
}

inline GpuReading broken_reading(int index, const std::string& error) {
  GpuReading made = reading(index);
  made.memory_used_mib.reset();
  made.error = error;
  return made;
}

inline Unavailability use_by(const std::vector<std::uint32_t>& uids) {
  return {Unavailability::Kind::UnreservedUse, {}, "by somebody", uids};
}

inline Unavailability broken() { return {Unavailability::Kind::Error, {}, "GPU is lost", {}}; }

/// A pool with its clock and its processes, and the calls that tests make all the time.
class Scene {
 public:
  explicit Scene(int gpus) {
    pool.provider = "fake";
    for (int index = 0; index < gpus; ++index) {
      Gpu gpu;
      gpu.index = index;
      gpu.uuid = "GPU-" + std::to_string(index);
      gpu.model = "H100";
      pool.gpus.push_back(std::move(gpu));
    }
  }

  Request request(const Ask& special) {
    Request made;
    made.id = special.id;
    made.account = account(special.uid);
    made.label = special.label;
    made.note = special.note;
    made.kind = special.kind;
    made.gpu_ids = special.gpu_ids;
    made.count = special.gpu_ids.empty() ? special.count : static_cast<int>(special.gpu_ids.size());
    made.force = special.force;
    made.duration = special.duration;
    made.enqueued = made.last_heartbeat = now();
    made.waiter = process(special.pid == 0 ? ++last_pid_ : special.pid);
    return made;
  }

  void ask(const Ask& special) { enqueue(pool, request(special)); }

  void hold(const Hold& special) {
    Reservation made;
    made.id = special.id;
    made.account = account(special.uid);
    made.label = special.label;
    made.kind = special.kind;
    made.gpus = special.gpus;
    made.started = ago(special.age);
    made.last_heartbeat = ago(special.silent);
    if (special.ends_in) made.ends = now().wall + *special.ends_in;
    if (special.holder != 0) made.holder = process(special.holder);
    if (special.supervisor != 0) made.supervisor = process(special.supervisor);
    if (made.holder && !made.supervisor) made.request = granted_request(made);
    for (const int pid : special.leftovers) made.leftovers.push_back(process(pid));
    pool.reservations.push_back(std::move(made));
  }

  std::vector<std::string> schedule() { return chg::schedule(pool, given()); }
  void reap(const Observation* observation = nullptr) { chg::reap(pool, given(observation)); }
  void observe(const Observation& observation) { chg::observe(pool, observation); }
  void end(const std::string& id) { end_reservation(pool, id, now(), EndReason::Released); }

  /// What a probe of this host sees now.
  Observation observation(const std::vector<GpuReading>& readings) const {
    return {now(), readings, process(1), "test"};
  }

  /// What decides now.
  Circumstances given(const Observation* observation = nullptr) const {
    return {now(), liveness, observation, serial, can_judge};
  }

  Gpu& gpu(int index) { return *find_gpu(pool, index); }
  Instant now() const { return clock.now(); }
  Instant ago(Duration by) const { return {now().wall - by, now().boot - by, now().boot_id}; }

  /// The GPUs that this id has; none while it waits.
  std::vector<int> gpus_of(const std::string& id) const {
    const Reservation* reservation = find_reservation(pool, id);
    return reservation == nullptr ? std::vector<int>{} : reservation->gpus;
  }

  std::vector<std::string> waiting() const {
    std::vector<std::string> ids;
    for (const Request& waiter : pool.queue) ids.push_back(waiter.id);
    return ids;
  }

  Decision decision(const std::string& id) const {
    return explain(pool, id, now()).value_or(Decision{"does not wait", 0, {}, {}, {}});
  }

  Pool pool;
  ManualClock clock;
  ScriptedLiveness liveness;
  std::uint64_t serial = 1;  ///< of what is granted now
  bool can_judge = true;

 private:
  // What was asked for, of a grant that is not taken.
  static Request granted_request(const Reservation& granted) {
    Request request;
    request.id = granted.id;
    request.account = granted.account;
    request.label = granted.label;
    request.kind = granted.kind;
    request.count = static_cast<int>(granted.gpus.size());
    request.enqueued = request.last_heartbeat = granted.started;
    request.waiter = *granted.holder;
    return request;
  }

  int last_pid_ = 100'000;
};

using Gpus = std::vector<int>;
using Ids = std::vector<std::string>;

}  // namespace chg
