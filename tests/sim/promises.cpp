#include "sim/promises.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "sim/indices.h"
#include "sim/lineage.h"
#include "sim/violation.h"

namespace chg::sim {
namespace {

// Those inside a reservation have GPUs of that one, each to one of them.
void require_inside(const Pool& pool, const Model& model, const Reservation& inner, int outer) {
  for (const int gpu : inner.gpus) {
    if (!holds(model.entry(outer).held->gpus, gpu)) throw Violation("outside", inner.id);
  }
  for (const Reservation& other : pool.reservations) {
    const bool is_beside = other.id != inner.id && model.outer(client_of(other.id)) == outer;
    const auto is_its = [&](int gpu) { return holds(other.gpus, gpu); };
    if (is_beside && std::any_of(inner.gpus.begin(), inner.gpus.end(), is_its))
      throw Violation("shared by two", inner.id + " and " + other.id);
  }
}

std::vector<bool> reserved_gpus(const Pool& pool, const Model& model) {
  std::vector<bool> reserved(pool.gpus.size());
  for (const Reservation& reservation : pool.reservations) {
    if (reservation.gpus.empty() && reservation.lost.empty())
      throw Violation("empty reservation", reservation.id);
    const int outer = model.outer(client_of(reservation.id));
    if (outer != kNobody) {
      require_inside(pool, model, reservation, outer);
      continue;
    }
    for (const int gpu : reservation.gpus) {
      if (reserved.at(at(gpu))) {
        throw Violation("reserved twice", fmt::format("GPU {}, by {} too", gpu, reservation.id));
      }
      reserved[at(gpu)] = true;
    }
  }
  return reserved;
}

void require_unique_ids(const Pool& pool) {
  std::unordered_set<std::string> ids;
  for (const Reservation& reservation : pool.reservations) {
    if (!ids.insert(reservation.id).second) throw Violation("id twice", reservation.id);
  }
  for (const Request& request : pool.queue) {
    if (!ids.insert(request.id).second) throw Violation("id twice", request.id);
  }
}

bool is_truly_free(const Request& request, const Gpu& gpu, const Seen& seen, const Policy& policy) {
  const bool asks = request.gpu_ids.empty() ||
                    std::count(request.gpu_ids.begin(), request.gpu_ids.end(), gpu.index) > 0;
  const bool is_visible = !request.visible || holds(*request.visible, gpu.index);
  if (!asks || !is_visible || gpu.out_of_service) return false;
  const Seen::Use use = seen.use(policy);
  if (use == Seen::Use::Free) return true;
  return request.force && use == Seen::Use::Used && seen.users_known(policy) &&
         seen.counted(policy).uids == std::vector<std::uint32_t>{request.account.uid};
}

}  // namespace

void require_order(const Pool& pool, const Model& model, const Machine& machine,
                   const Place& place) {
  const std::vector<bool> reserved = reserved_gpus(pool, model);
  for (const Reservation& reservation : pool.reservations) {
    for (const int gpu : reservation.lost) {
      if (!reserved[at(gpu)]) throw Violation("stays lost", fmt::format("GPU {}", gpu));
    }
  }
  require_unique_ids(pool);
  if (!place.can_judge()) return;
  const Instant now = machine.now(place);
  for (const int client : model.holders()) {
    const Entry& entry = model.entry(client);
    const Reservation& reservation = *entry.held;
    const Process& waiter = *machine.find(entry.process);
    const bool is_held_up = reservation.request && waiter.stopped && machine.is_seen(waiter, place);
    if (is_held_up && model.is_ago(reservation.started, std::chrono::seconds(10)))
      throw Violation("untaken", reservation.id);
    const bool expires = reservation.kind == ReservationKind::Manual && reservation.ends;
    if (expires && expiry_of(reservation, now))
      throw Violation("outlives its time", reservation.id);
    // A supervisor, or somebody who looks, may have something to say first.
    const Process& process = *machine.find(entry.process);
    const bool is_of_old_boot = process.boot != machine.boot();
    const bool waits_for_nobody =
        entry.supervisor == kNobody || is_of_old_boot || !machine.is_seen(process, place);
    if (reservation.holder && waits_for_nobody &&
        model.is_dead(entry.process, reservation.last_heartbeat, place)) {
      throw Violation("outlives its holder", reservation.id);
    }
  }
}

void require_service(const Pool& pool, const Model& model, const Machine& machine,
                     const Sighting& sighting) {
  std::vector<bool> taken = reserved_gpus(pool, model);
  std::map<std::uint32_t, int> taken_by = model.taken();
  for (const int client : model.queue()) {
    const Entry& entry = model.entry(client);
    const Request& request = entry.request;
    // The model says who has to be served inside of another.
    if (model.server_of(request) != kNobody) continue;
    if (request.passed_over || model.is_beyond(request, taken_by)) continue;
    if (model.is_dead(entry.process, request.last_heartbeat, sighting.place)) continue;
    std::vector<int> usable;
    for (const Gpu& gpu : pool.gpus) {
      const bool is_left = !taken[at(gpu.index)];
      if (is_left && is_truly_free(request, gpu, sighting.gpus[at(gpu.index)], pool.policy)) {
        usable.push_back(gpu.index);
      }
    }
    if (usable.size() >= at(request.count)) {
      throw Violation("served too late", fmt::format("{} waits for {} GPUs, and {} are free",
                                                     request.id, request.count, usable.size()));
    }
    for (const int gpu : usable) taken[at(gpu)] = true;
  }
  for (const int client : model.holders()) {
    const Entry& entry = model.entry(client);
    const Reservation& reservation = *entry.held;
    if (reservation.kind != ReservationKind::Run || machine.is_alive(entry.process)) continue;
    const bool is_seen = machine.is_seen(*machine.find(entry.process), sighting.place);
    if (!is_seen || machine.may_act(entry.supervisor, sighting.place)) continue;
    const bool readable =
        std::all_of(reservation.gpus.begin(), reservation.gpus.end(), [&](int gpu) {
          const Seen& seen = sighting.gpus[at(gpu)];
          return seen.is_readable() && seen.owners_known;
        });
    if (readable && model.job_on_gpus(client, sighting).empty()) {
      throw Violation("outlives its job", reservation.id);
    }
  }
}

void require_free(const Request& request, const std::vector<int>& gpus, const Sighting& sighting,
                  const Policy& policy) {
  // What it sees now counts, and not what it saw when it asked.
  Request here = request;
  here.visible.reset();
  for (const int gpu : gpus) {
    Gpu any;
    any.index = gpu;
    if (is_truly_free(here, any, sighting.gpus[at(gpu)], policy)) continue;
    throw Violation("not free", fmt::format("{} trusts in GPU {}", request.id, gpu));
  }
}

}  // namespace chg::sim
