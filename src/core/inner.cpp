#include "core/inner.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "core/sight.h"

namespace chg {
namespace {

constexpr char kInside = '.';

bool has_gpu(const Reservation& reservation, int gpu) {
  return std::binary_search(reservation.gpus.begin(), reservation.gpus.end(), gpu);
}

bool includes(const std::vector<int>& all, const std::vector<int>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

bool may_be_inside(const Reservation& inner, const Reservation& outer) {
  if (!was_made_inside(inner.id, outer.id) || inner.account.uid != outer.account.uid) return false;
  if (inner.lost.empty() && outer.lost.empty()) return includes(outer.gpus, inner.gpus);
  return includes(all_gpus(outer), all_gpus(inner));
}

// The ids that this one was made inside of begin with this.
std::string_view outer_part(std::string_view id) {
  const std::size_t end = id.find(kInside);
  return end == std::string_view::npos ? std::string_view() : id.substr(end + 1);
}

// The nearest reservation that has this id, or that `id` was made inside of, and that will do.
template <typename WillDo>
const Reservation* nearest(const Pool& pool, std::string_view id, const WillDo& will_do) {
  while (!id.empty()) {
    const Reservation* found = find_reservation(pool, std::string(id));
    if (found != nullptr && will_do(*found)) return found;
    id = outer_part(id);
  }
  return nullptr;
}

// The nearest of this account.
const Reservation* nearest_of(const Pool& pool, std::string_view id, std::uint32_t uid) {
  return nearest(pool, id, [&](const Reservation& one) { return one.account.uid == uid; });
}

// Those of the reservation that the request asks for, wherever it sees them.
std::vector<int> named_by(const Request& request, const Reservation& outer) {
  std::vector<int> found = all_gpus(outer);
  std::erase_if(found, [&](int gpu) { return !names(request, gpu); });
  return found;
}

bool has_room(const Request& request, const Reservation& outer) {
  return named_by(request, outer).size() >= static_cast<std::size_t>(request.count);
}

// Those that no run inside has.
std::vector<int> free_inside(const Pool& pool, const Reservation& outer) {
  std::vector<int> free = outer.gpus;
  for (const Reservation& inner : pool.reservations) {
    if (!may_be_inside(inner, outer)) continue;
    std::erase_if(free, [&](int gpu) { return has_gpu(inner, gpu); });
  }
  return free;
}

}  // namespace

std::string inner_id(const std::string& id, const std::string& outer) {
  return id + kInside + outer;
}

bool was_made_inside(std::string_view id, std::string_view outer) {
  return id.size() > outer.size() + 1 && id.ends_with(outer) &&
         id[id.size() - outer.size() - 1] == kInside;
}

bool names_job(std::string_view carried, std::string_view id) {
  return carried == id || was_made_inside(carried, id);
}

int depth_of(std::string_view id) {
  return static_cast<int>(std::count(id.begin(), id.end(), kInside));
}

std::vector<int> all_gpus(const Reservation& reservation) {
  std::vector<int> all = reservation.gpus;
  all.insert(all.end(), reservation.lost.begin(), reservation.lost.end());
  std::sort(all.begin(), all.end());
  return all;
}

const Reservation* outer_of(const Pool& pool, const Reservation& reservation) {
  return nearest(pool, outer_part(reservation.id), [&](const Reservation& outer) {
    return may_be_inside(reservation, outer) && includes(outer.gpus, reservation.gpus);
  });
}

const Reservation* outer_of(const Pool& pool, const Request& request) {
  return nearest(pool, outer_part(request.id), [&](const Reservation& outer) {
    return outer.account.uid == request.account.uid && has_room(request, outer);
  });
}

bool may_have(const Pool& pool, const Reservation& reservation, int gpu) {
  const Reservation* outer = outer_of(pool, reservation);
  if (outer != nullptr && !has_gpu(*outer, gpu)) return false;
  return std::none_of(
      pool.reservations.begin(), pool.reservations.end(), [&](const Reservation& other) {
        return other.id != reservation.id && has_gpu(other, gpu) &&
               !may_be_inside(other, reservation) && !may_be_inside(reservation, other);
      });
}

std::vector<const Reservation*> inner_on(const Pool& pool, const Reservation& outer, int gpu) {
  std::vector<const Reservation*> found;
  for (const Reservation& one : pool.reservations) {
    if (has_gpu(one, gpu) && may_be_inside(one, outer)) found.push_back(&one);
  }
  std::sort(found.begin(), found.end(), [](const Reservation* a, const Reservation* b) {
    return depth_of(a->id) < depth_of(b->id);
  });
  return found;
}

bool is_any_waiting_inside(const Pool& pool, const std::vector<std::string>& ids) {
  return std::any_of(pool.queue.begin(), pool.queue.end(), [&](const Request& request) {
    return std::any_of(ids.begin(), ids.end(),
                       [&](const std::string& id) { return was_made_inside(request.id, id); });
  });
}

void require_room(const Pool& pool, const Request& request) {
  const Reservation* outer = nearest_of(pool, outer_part(request.id), request.account.uid);
  // What the pool never has, `enqueue` refuses.
  const bool is_beyond_all = static_cast<std::size_t>(request.count) > pool.gpus.size();
  if (outer == nullptr || is_beyond_all) return;
  for (const int gpu : request.gpu_ids) require_gpu(pool, gpu);
  std::vector<int> seen = named_by(request, *outer);
  std::erase_if(seen, [&](int gpu) { return !sees(request, gpu); });
  if (seen.size() >= static_cast<std::size_t>(request.count)) return;
  std::vector<int> missing = request.gpu_ids;
  std::erase_if(missing,
                [&](int gpu) { return std::binary_search(seen.begin(), seen.end(), gpu); });
  const std::string what =
      missing.empty() ? fmt::format("{} can never be granted inside reservation {}, which has {}",
                                    count_of(request.count, "GPU"), outer->id,
                                    seen.empty() ? "none that can be seen" : to_gpu_names(seen))
                      : fmt::format("reservation {}, around this run, does not have {}", outer->id,
                                    to_gpu_names(missing));
  const std::string asked = missing.empty() ? fmt::format("--gpus {}", request.count)
                                            : "--gpu-ids " + to_id_list(request.gpu_ids);
  throw Error(ErrorKind::Usage, what,
              fmt::format("take others of the pool: canhazgpu run --new {} -- COMMAND", asked));
}

const Reservation* own_manual(const Pool& pool, const Request& request) {
  const Reservation* best = nullptr;
  for (const Reservation& one : pool.reservations) {
    const bool is_own = one.account.uid == request.account.uid && one.label == request.label;
    const bool is_claimed = one.kind == ReservationKind::Manual && !one.request;
    if (!is_own || !is_claimed || !has_room(request, one)) continue;
    std::vector<int> free = free_inside(pool, one);
    std::erase_if(free, [&](int gpu) { return !names(request, gpu); });
    if (free.size() >= static_cast<std::size_t>(request.count)) return &one;
    if (best == nullptr) best = &one;
  }
  return best;
}

std::string choose_outer(const Pool& pool, const Request& request, const Whereabouts& wanted) {
  if (wanted.is_new) return "";
  const Reservation* outer = nullptr;
  if (!wanted.is_mine) {
    outer = nearest_of(pool, wanted.carried, request.account.uid);
    if (outer != nullptr) return outer->id;
  }
  if (wanted.is_mine || !request.gpu_ids.empty()) outer = own_manual(pool, request);
  if (outer != nullptr) return outer->id;
  if (!wanted.is_mine) return "";
  const bool is_named = !request.gpu_ids.empty();
  throw Error(
      ErrorKind::Failed,
      fmt::format("you have no manual reservation of {} to run in",
                  is_named ? to_gpu_names(request.gpu_ids) : count_of(request.count, "GPU")),
      fmt::format("reserve with: canhazgpu reserve {}; or leave --mine out",
                  is_named ? "--gpu-ids " + to_id_list(request.gpu_ids)
                           : fmt::format("--gpus {}", request.count)));
}

Rooms::Rooms(const Pool& pool) {
  for (const Request& request : pool.queue) {
    const Reservation* outer = outer_of(pool, request);
    if (outer == nullptr) continue;
    outer_of_.emplace(request.id, outer->id);
    if (free_.contains(outer->id)) continue;
    // While runs are looked for, those inside of this one may be missing, too.
    const bool is_recalling = pool.recall.began.has_value();
    free_.emplace(outer->id, is_recalling ? std::vector<int>() : free_inside(pool, *outer));
  }
}

const std::string* Rooms::outer(const Request& request) const {
  const auto found = outer_of_.find(request.id);
  return found == outer_of_.end() ? nullptr : &found->second;
}

std::vector<int> Rooms::usable_by(const Request& request) const {
  if (!sees_enough(request)) return {};
  std::vector<int> usable = free_.at(outer_of_.at(request.id));
  std::erase_if(usable, [&](int gpu) { return !names(request, gpu) || !sees(request, gpu); });
  usable.resize(std::min(usable.size(), static_cast<std::size_t>(request.count)));
  return usable;
}

void Rooms::remove(const Request& request, const std::vector<int>& gpus) {
  std::erase_if(free_.at(outer_of_.at(request.id)),
                [&](int gpu) { return std::find(gpus.begin(), gpus.end(), gpu) != gpus.end(); });
}

std::vector<std::string> inner_ids(const Pool& pool) {
  std::vector<std::string> ids;
  for (const Reservation& one : pool.reservations) {
    if (outer_of(pool, one) != nullptr) ids.push_back(one.id);
  }
  return ids;
}

void go_on_alone(Pool& pool, const std::vector<std::string>& inside, WallTime from) {
  bool is_any = false;
  for (const std::string& id : inside) {
    Reservation* one = find_reservation(pool, id);
    if (one == nullptr || outer_of(pool, *one) != nullptr) continue;
    // Only on the wall clock, which usage is charged by.
    one->started.wall = std::max(one->started.wall, from);
    is_any = true;
  }
  if (is_any) std::sort(pool.reservations.begin(), pool.reservations.end(), starts_before);
}

}  // namespace chg
