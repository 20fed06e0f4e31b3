#include "core/protocol.h"

#include <algorithm>

#include "core/limits.h"
#include "core/reap.h"
#include "core/schedule.h"

namespace chg {

void join(Pool& pool, Request& request, const Instant& now) {
  const bool is_known =
      find_request(pool, request.id) != nullptr || find_reservation(pool, request.id) != nullptr;
  if (is_known) return;
  request.last_heartbeat = now;
  if (request.enqueued == Instant{}) {
    apply_limits(pool.policy, request);
    request.enqueued = now;
    enqueue(pool, request);
  } else {
    requeue(pool, request);
  }
  // Its place, should its grant have to be given back.
  request.arrival = find_request(pool, request.id)->arrival;
}

void requeue(Pool& pool, const Request& remembered) {
  // With a new number of arrival: the old one may be another's by now.
  enqueue(pool, remembered);
  Request own = std::move(pool.queue.back());
  pool.queue.pop_back();
  insert_by_age(pool, std::move(own));
}

void beat(Pool& pool, const std::string& id, const Instant& now) {
  for (Request& request : pool.queue) {
    if (request.id == id) request.last_heartbeat = now;
  }
}

bool withdraw(Pool& pool, const std::string& id) {
  return std::erase_if(pool.queue, [&](const Request& one) { return one.id == id; }) > 0;
}

bool acknowledge_cancelled(Pool& pool, const std::string& id) {
  return std::erase_if(pool.cancelled, [&](const Cancelled& one) { return one.id == id; }) > 0;
}

bool is_usable(const Pool& pool, const Reservation& granted, const Request& request,
               const Observation& observation) {
  return std::all_of(granted.gpus.begin(), granted.gpus.end(), [&](int index) {
    const Gpu* known = find_gpu(pool, index);
    if (known == nullptr) return false;
    Gpu gpu = *known;
    gpu.unavailable.reset();
    observe(gpu, observation, pool.policy);
    return may_take(request, gpu);
  });
}

void return_to_queue(Pool& pool, const Request& request) {
  discard(pool, request.id);
  insert_by_age(pool, request);
}

void discard(Pool& pool, const std::string& id) {
  std::erase_if(pool.reservations, [&](const Reservation& one) { return one.id == id; });
}

bool claim(Pool& pool, const std::string& id, Duration duration, const Instant& now) {
  Reservation* mine = find_reservation(pool, id);
  if (mine == nullptr) return false;
  // Somebody may have extended it in the meantime, and was told that he had.
  const WallTime granted_until = mine->started.wall + duration;
  const Duration extension =
      std::max<Duration>(mine->ends.value_or(granted_until) - granted_until, Duration::zero());
  mine->holder.reset();
  mine->ends = now.wall + duration + extension;
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

void begin_run(Pool& pool, const std::string& id, const ProcessIdentity& supervisor,
               const Instant& now) {
  Reservation& run = *find_reservation(pool, id);
  run.supervisor = supervisor;
  run.last_heartbeat = now;
}

void end_run(Pool& pool, const std::string& id, const Instant& now) {
  end_reservation(pool, id, now, find_reservation(pool, id)->ending.value_or(EndReason::Finished));
}

}  // namespace chg
