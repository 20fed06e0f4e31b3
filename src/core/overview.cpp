#include "core/overview.h"

#include <algorithm>

#include "core/inner.h"
#include "core/limits.h"
#include "core/protocol.h"
#include "core/reap.h"

namespace chg {
namespace {

// Processes of other accounts on a reserved GPU. One of the reservation's job belongs to it whoever
// runs it (a container's root), and an unknown account accuses nobody.
std::vector<GpuProcess> foreign_processes(const GpuReading& reading, const Reservation& reservation,
                                          const ProcessIdentity& observer, const Policy& policy) {
  std::vector<GpuProcess> foreign;
  for (const GpuProcess& process : counted_processes(reading, policy)) {
    const bool other = process.uid && *process.uid != reservation.account.uid;
    if (other && !is_of_job(process, reservation, observer)) foreign.push_back(process);
  }
  if (!hold_more_than(foreign, policy.process_threshold_mib)) foreign.clear();
  return foreign;
}

void look_at_reservation(GpuOverview& view, const Policy& policy, const Circumstances& given) {
  const Reservation& reservation = *view.reservation;
  view.status = GpuStatus::InUse;
  view.command_ended = reservation.kind == ReservationKind::Run && reservation.holder &&
                       reservation.supervisor &&
                       given.liveness(*reservation.holder) == Liveness::Gone;
  if (!view.reading) return;
  view.foreign = foreign_processes(*view.reading, reservation, given.observation->observer, policy);
  if (!view.command_ended) return;
  for (const GpuProcess& process : view.users) {
    const bool leftover =
        std::any_of(reservation.leftovers.begin(), reservation.leftovers.end(),
                    [&](const ProcessIdentity& other) { return other.pid == process.pid; });
    if (leftover) view.leftovers.push_back(process);
  }
}

// `observation`: nullptr where nobody has looked.
void look_at_unreserved(GpuOverview& view, const Observation* observation, const Policy& policy) {
  if (view.gpu.out_of_service) {
    view.status = GpuStatus::OutOfService;
  } else if (observation == nullptr) {
    // What was last known: a GPU that nobody can see now is not free for that.
    view.status = GpuStatus::NotReserved;
    if (!view.gpu.unavailable) return;
    const bool use = view.gpu.unavailable->kind == Unavailability::Kind::UnreservedUse;
    view.status = use ? GpuStatus::Unreserved : GpuStatus::Error;
    if (!use) view.error = view.gpu.unavailable->what;
  } else if (!view.reading) {
    view.status = GpuStatus::Error;
    view.error = observation->is_partial ? "cannot be seen from here" : "not found by the GPU tool";
  } else if (const auto obstacle = obstacle_of(*view.reading, policy)) {
    view.status = GpuStatus::Error;
    view.error = obstacle->what;
  } else if (is_in_use(*view.reading, policy)) {
    view.status = GpuStatus::Unreserved;
  } else if (view.stale_for) {
    view.status = GpuStatus::NotReserved;
  }
}

}  // namespace

Overview overview(const Pool& pool, const Circumstances& given, const std::string& probe_failure) {
  const Policy& policy = pool.policy;
  const Observation* observation = given.observation;
  Overview result{given.now, {}, probe_failure, explain(pool, given.now)};
  if (observation != nullptr) result.observed = observation->taken;
  for (const Gpu& gpu : pool.gpus) {
    GpuOverview view;
    view.gpu = gpu;
    if (observation != nullptr) {
      if (const auto* reading = find_reading(*observation, gpu.uuid, gpu.index)) {
        view.reading = *reading;
        if (!probe_failure.empty()) view.stale_for = age(observation->taken, given.now);
        view.in_use = is_in_use(*reading, policy);
        view.unlisted_use = unlisted_memory_mib(*reading).value_or(0) > policy.memory_threshold_mib;
        if (view.in_use) view.users = counted_processes(*reading, policy);
      }
    }
    if (const Reservation* reservation = reservation_of(pool, gpu.index)) {
      view.reservation = *reservation;
      for (const Reservation* one : inner_on(pool, *reservation, gpu.index))
        view.inner.push_back(*one);
      look_at_reservation(view, policy, given);
    } else {
      // Of a reading that is not of now, only what nobody has found out since.
      const bool outdated = view.stale_for && gpu.unavailable &&
                            !are_of_different_boots(gpu.unavailable->seen, observation->taken) &&
                            !is_before(gpu.unavailable->seen, observation->taken);
      look_at_unreserved(view, outdated ? nullptr : observation, policy);
    }
    for (const Reservation& run : pool.reservations) {
      const bool is_lost = std::binary_search(run.lost.begin(), run.lost.end(), gpu.index);
      if (is_lost) view.lost_by.push_back(run);
    }
    for (const Decision& decision : result.waiting) {
      const auto& held = decision.held;
      if (!std::binary_search(held.begin(), held.end(), gpu.index)) continue;
      const Request* request = find_request(pool, decision.request_id);
      view.held_for = display_name(request->account, request->label);
      view.held_position = decision.position;
    }
    result.gpus.push_back(std::move(view));
  }
  return result;
}

void tell_available(Overview& overview, const Pool& pool, const Observation& observation,
                    const Request& asker) {
  Quotas quotas(pool);
  for (const Request& request : pool.queue) {
    if (!request.passed_over && outer_of(pool, request) == nullptr) quotas.count(request);
  }
  if (quotas.count(asker)) return;
  Request one = asker;
  note_sight(pool, one, observation);
  for (GpuOverview& view : overview.gpus) {
    const bool is_read = find_reading(observation, view.gpu.uuid, view.gpu.index) != nullptr;
    const bool is_taken = view.reservation || view.gpu.out_of_service || !view.held_for.empty();
    if (!is_read || is_taken) continue;
    Gpu gpu = view.gpu;
    gpu.unavailable.reset();
    observe(gpu, observation, pool.policy);
    view.available = may_take(one, gpu);
  }
}

QueueOverview queue_overview(const Pool& pool, const Instant& now) {
  QueueOverview result{now, {}};
  std::vector<Decision> decisions = explain(pool, now);
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    result.entries.push_back({pool.queue[i], std::move(decisions[i])});
  }
  return result;
}

}  // namespace chg
