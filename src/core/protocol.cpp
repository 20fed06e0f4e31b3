#include "core/protocol.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "core/inner.h"
#include "core/limits.h"
#include "core/reap.h"
#include "core/schedule.h"
#include "core/sight.h"

namespace chg {
namespace {

// A request that came and went in one transaction concerns nobody: it leaves no event.
void note_withdrawal(Pool& pool, const Request& request) {
  const auto is_its = [&](const Event& event) { return event.id == request.id; };
  const bool came_just_now = std::any_of(
      pool.events.begin(), pool.events.end(),
      [&](const Event& event) { return is_its(event) && event.kind == EventKind::Queued; });
  if (came_just_now) {
    std::erase_if(pool.events, is_its);
  } else {
    add_event(pool, EventKind::Withdrawn, request, request.account);
  }
}

// The policy with the request's own thresholds where those are stricter.
Policy policy_for(Policy policy, const Request& request) {
  const auto tighten = [](std::uint64_t& threshold, const std::optional<std::uint64_t>& own) {
    threshold = std::min(threshold, own.value_or(threshold));
  };
  tighten(policy.process_threshold_mib, request.process_threshold_mib);
  tighten(policy.memory_threshold_mib, request.memory_threshold_mib);
  return policy;
}

void remove_reservation(Pool& pool, const std::string& id) {
  std::erase_if(pool.reservations, [&](const Reservation& one) { return one.id == id; });
}

bool is_ever_granted(const Gpu& gpu) {
  return !gpu.unavailable || gpu.unavailable->kind != Unavailability::Kind::Never;
}

}  // namespace

void require_attainable(const Pool& pool, const Request& request) {
  std::vector<int> never;
  int others = 0;
  for (const Gpu& gpu : pool.gpus) {
    if (!names(request, gpu.index) || !sees(request, gpu.index)) continue;
    if (is_ever_granted(gpu)) {
      ++others;
    } else {
      never.push_back(gpu.index);
    }
  }
  if (never.empty() || others >= request.count) return;
  const std::string unattainable = to_gpu_names(never);
  const std::string what = printable(find_gpu(pool, never.front())->unavailable->what);
  throw Error(ErrorKind::Usage,
              request.gpu_ids.empty()
                  ? fmt::format("{} can never be granted: this host has {}, but not {}: {}",
                                count_of(request.count, "GPU"), gpu_range(pool), unattainable, what)
                  : fmt::format("{} can never be granted: {}", unattainable, what),
              "see what is wrong: canhazgpu doctor");
}

void join(Pool& pool, Request& request, const Instant& now) {
  const Reservation* granted = find_reservation(pool, request.id);
  const Request* known = find_request(pool, request.id);
  if (known == nullptr && granted != nullptr && granted->request) known = &*granted->request;
  // The reply to an earlier attempt was lost, and with it what that has filled in.
  if (known != nullptr && request.arrival == 0) {
    request.arrival = known->arrival;
    request.enqueued = known->enqueued;
    request.duration = known->duration;
  }
  if (known != nullptr || granted != nullptr) return beat(pool, request.id, now);
  request.passed_over = false;
  request.last_heartbeat = now;
  const bool is_new = request.arrival == 0;
  if (is_new) {
    require_visible(pool, request);
    require_room(pool, request);
    // What is inside a reservation is had, and counted, already.
    if (outer_of(pool, request) == nullptr) {
      require_attainable(pool, request);
      require_gpu_limit(pool.policy, request);
    }
    apply_limits(pool.policy, request);
    request.enqueued = now;
  }
  enqueue(pool, request);
  Event& event = add_event(pool, EventKind::Queued, request, request.account);
  if (!is_new) event.detail = "again: the store had lost it";
  // Its place, should it have to come back.
  request.arrival = find_request(pool, request.id)->arrival;
}

void arrive(Pool& pool, Request& request, const Observation& seen, const Circumstances& given) {
  const bool is_new = request.arrival == 0;
  if (is_new && !pool.policy.limits.empty()) drop_gone_waiters(pool, given);
  note_sight(pool, request, seen);
  join(pool, request, given.now);
}

WaiterStep next_step(const Pool& pool, const std::string& id, bool nonblock) {
  if (find_reservation(pool, id) != nullptr) return WaiterStep::Check;
  const Request* mine = find_request(pool, id);
  if (nonblock) return mine == nullptr ? WaiterStep::GiveUp : WaiterStep::Leave;
  if (mine == nullptr) return WaiterStep::ComeBack;
  return mine->passed_over ? WaiterStep::Answer : WaiterStep::Wait;
}

void maintain(Pool& pool, const std::string& id, bool beats, const Circumstances& given) {
  drop_gone_waiters(pool, given);
  if (given.observation != nullptr) note_sight(pool, id, *given.observation);
  if (beats) beat(pool, id, given.now);
}

void beat(Pool& pool, const std::string& id, const Instant& now) {
  for (Request& request : pool.queue) {
    if (request.id != id) continue;
    request.last_heartbeat = now;
    request.passed_over = false;
  }
}

bool withdraw(Pool& pool, const std::string& id) {
  const Request* request = find_request(pool, id);
  if (request == nullptr) return false;
  note_withdrawal(pool, *request);
  std::erase_if(pool.queue, [&](const Request& one) { return one.id == id; });
  return true;
}

std::vector<std::string> leave_at_once(Pool& pool, const std::string& id,
                                       const Circumstances& given) {
  if (!withdraw(pool, id)) return {};
  return schedule(pool, given);
}

bool stop_waiting(Pool& pool, const std::string& id) {
  withdraw(pool, id);
  return find_reservation(pool, id) == nullptr;
}

void abandon(Pool& pool, const std::string& id) {
  withdraw(pool, id);
  discard(pool, id);
}

bool come_back(Pool& pool, Request& request, const Instant& now) {
  if (acknowledge_cancelled(pool, request.id)) return false;
  join(pool, request, now);
  return true;
}

bool acknowledge_cancelled(Pool& pool, const std::string& id) {
  return std::erase_if(pool.cancelled, [&](const Cancelled& one) { return one.id == id; }) > 0;
}

std::optional<std::vector<int>> visible_gpus(const Pool& pool, const Observation& observation) {
  if (!observation.is_partial) return std::nullopt;
  std::vector<int> visible;
  for (const Gpu& gpu : pool.gpus) {
    if (find_reading(observation, gpu.uuid, gpu.index) != nullptr) visible.push_back(gpu.index);
  }
  if (visible.size() == pool.gpus.size()) return std::nullopt;
  return visible;
}

void note_sight(const Pool& pool, Request& request, const Observation& observation) {
  request.visible = visible_gpus(pool, observation);
  request.avoided.clear();
  const Policy policy = policy_for(pool.policy, request);
  if (policy == pool.policy) return;
  std::vector<int> avoided;
  for (Gpu gpu : pool.gpus) {
    const Reservation* owner = reservation_of(pool, gpu.index);
    if (owner != nullptr && owner->id != request.id) continue;
    gpu.unavailable.reset();
    observe(gpu, observation, policy);
    const bool is_used =
        gpu.unavailable && gpu.unavailable->kind == Unavailability::Kind::UnreservedUse;
    if (is_used && !may_take(request, gpu)) avoided.push_back(gpu.index);
  }
  request.avoided = std::move(avoided);
}

void note_sight(Pool& pool, const std::string& id, const Observation& observation) {
  for (Request& request : pool.queue) {
    if (request.id == id) note_sight(pool, request, observation);
  }
}

bool is_usable(const Pool& pool, const Reservation& granted, const Request& request,
               const Observation& observation) {
  // They are the account's own already, and may be in use by what the run is inside of.
  if (outer_of(pool, granted) != nullptr) return true;
  const Policy policy = policy_for(pool.policy, request);
  Request here = request;
  here.avoided.clear();
  return std::all_of(granted.gpus.begin(), granted.gpus.end(), [&](int index) {
    const Gpu* known = find_gpu(pool, index);
    const bool is_seen =
        known != nullptr && find_reading(observation, known->uuid, index) != nullptr;
    if (!is_seen) return false;
    Gpu gpu = *known;
    gpu.unavailable.reset();
    observe(gpu, observation, policy);
    return may_take(here, gpu);
  });
}

void return_to_queue(Pool& pool, const Request& request) {
  if (const Reservation* granted = find_reservation(pool, request.id))
    add_event(pool, EventKind::Returned, *granted, request.account);
  remove_reservation(pool, request.id);
  put_in_place(pool, request);
}

void refuse_grant(Pool& pool, Request& request, const Observation& seen) {
  if (find_reservation(pool, request.id) == nullptr) return;
  note_sight(pool, request, seen);
  return_to_queue(pool, request);
  observe(pool, seen);
}

void discard(Pool& pool, const std::string& id) {
  const Reservation* granted = find_reservation(pool, id);
  if (granted == nullptr) return;
  add_event(pool, EventKind::Withdrawn, *granted, granted->account);
  remove_reservation(pool, id);
}

bool claim(Pool& pool, const std::string& id, Duration duration, const Instant& now) {
  Reservation* mine = find_reservation(pool, id);
  if (mine == nullptr) return false;
  // Somebody may have extended it in the meantime, and was told that he had.
  const WallTime granted_until = mine->started.wall + duration;
  const Duration extension =
      std::max<Duration>(mine->ends.value_or(granted_until) - granted_until, Duration::zero());
  mine->ends = now.wall + duration + extension;
  // Whoever granted it may have had another wall clock: its owner's tells when it began, so that
  // both clocks give it the same length. Two readings of the same clocks differ by microseconds,
  // and a start that moved by those could lie before the end of the use before.
  const WallTime began = now.wall - (now.boot - mine->started.boot);
  const bool is_other_clock =
      std::chrono::abs(began - mine->started.wall) > std::chrono::seconds(1);
  if (mine->started.boot_id == now.boot_id && is_other_clock) mine->started.wall = began;
  // Without holder it was claimed before, and that reply was lost.
  if (mine->holder) add_event(pool, EventKind::Taken, *mine, mine->account).ends = mine->ends;
  mine->holder.reset();
  mine->request.reset();
  return true;
}

bool claim_on_arrival(Pool& pool, const Request& request, const Circumstances& given) {
  const Reservation* mine = find_reservation(pool, request.id);
  // Without holder: an earlier attempt has claimed it, and its reply was lost.
  if (mine == nullptr || mine->kind != ReservationKind::Manual || !mine->holder) return false;
  if (given.observation == nullptr) return false;
  const bool is_seen_free = covers(*given.observation, pool, mine->gpus) &&
                            is_usable(pool, *mine, request, *given.observation);
  return is_seen_free && claim(pool, request.id, *request.duration, given.now);
}

void take(Reservation& run, const ProcessIdentity& supervisor) {
  run.supervisor = supervisor;
  run.request.reset();
}

void begin_run(Pool& pool, const std::string& id, const ProcessIdentity& supervisor,
               const Instant& now) {
  Reservation& run = *find_reservation(pool, id);
  // Else it has begun before, and that reply was lost.
  if (run.supervisor != supervisor)
    add_event(pool, EventKind::Taken, run, run.account).ends = run.ends;
  take(run, supervisor);
  run.last_heartbeat = now;
}

void beat(Reservation& run, const Instant& now) { run.last_heartbeat = now; }

void time_out(Reservation& run) {
  run.ending = EndReason::TimedOut;
  run.ending_by.reset();
}

void end_run(Pool& pool, const std::string& id, const Instant& now) {
  const Reservation& run = *find_reservation(pool, id);
  const std::optional<Account> actor = run.ending ? run.ending_by : run.account;
  end_reservation(pool, id, now, run.ending.value_or(EndReason::Finished), actor);
}

}  // namespace chg
