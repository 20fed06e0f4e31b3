#include "core/schedule.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "core/inner.h"
#include "core/reap.h"
#include "core/restore.h"
#include "core/sight.h"

namespace chg {
namespace {

bool asks_for(const Request& request, int gpu) {
  return names(request, gpu) && sees(request, gpu) && !avoids(request, gpu);
}

// What the last users decide of the order in which GPUs are given: never used first, then the
// oldest release, then the index.
auto lru_key(const Gpu& gpu) {
  const bool used_before = gpu.last_released.has_value();
  return std::tuple(used_before, used_before ? gpu.last_released->wall : WallTime{}, gpu.index);
}

// The GPUs that are still to be given while the queue is walked. A step of the walk costs no more
// than what it takes: there may be thousands of requests.
class Available {
 public:
  explicit Available(const Pool& pool) {
    std::vector<bool> reserved;
    for (const Reservation& reservation : pool.reservations) {
      for (const int gpu : reservation.gpus) {
        if (static_cast<std::size_t>(gpu) >= reserved.size())
          reserved.resize(static_cast<std::size_t>(gpu) + 1);
        reserved[static_cast<std::size_t>(gpu)] = true;
      }
    }
    for (const Gpu& gpu : pool.gpus) {
      const auto index = static_cast<std::size_t>(gpu.index);
      const bool is_reserved = index < reserved.size() && reserved[index];
      if (!is_reserved && !gpu.out_of_service) add(gpu);
    }
  }

  bool empty() const { return left_ == 0; }

  // What this request could have of it now, by index.
  std::vector<int> usable_by(const Request& request) const {
    std::vector<int> usable;
    const auto add_if_usable = [&](const Gpu* gpu) {
      if (gpu != nullptr && sees(request, gpu->index) && may_take(request, *gpu)) {
        usable.push_back(gpu->index);
      }
    };
    for (const int gpu : request.gpu_ids) add_if_usable(find(gpu));
    if (request.gpu_ids.empty()) {
      for (const Gpu* gpu : gpus_) add_if_usable(gpu);
    }
    return usable;
  }

  // The first of them in the order of "lru", as many as it needs; all that there are, if they are
  // fewer. For a request that names none.
  std::vector<int> oldest_usable_by(const Request& request) {
    sort();
    while (first_left_ < order_.size() && find(order_[first_left_]) == nullptr) ++first_left_;
    const auto count = static_cast<std::size_t>(request.count);
    std::vector<int> usable;
    for (std::size_t i = first_left_; i < order_.size() && usable.size() < count; ++i) {
      const Gpu* gpu = find(order_[i]);
      if (gpu != nullptr && sees(request, gpu->index) && may_take(request, *gpu)) {
        usable.push_back(gpu->index);
      }
    }
    return usable;
  }

  void remove(const std::vector<int>& gpus) {
    for (const int index : gpus) {
      const Gpu*& gpu = gpus_[static_cast<std::size_t>(index)];
      if (gpu == nullptr) continue;
      --left_;
      if (!gpu->unavailable) --free_;
      gpu = nullptr;
    }
  }

  // GPUs in unreserved use keep the walk going only for those who may force their way.
  bool has_free() const { return free_ > 0; }

 private:
  void add(const Gpu& gpu) {
    const auto index = static_cast<std::size_t>(gpu.index);
    if (index >= gpus_.size()) gpus_.resize(index + 1);
    gpus_[index] = &gpu;
    ++left_;
    if (!gpu.unavailable) ++free_;
  }

  const Gpu* find(int index) const {
    const auto place = static_cast<std::size_t>(index);
    return place < gpus_.size() ? gpus_[place] : nullptr;
  }

  // Once, when it is first needed: nothing that the walk does changes the order.
  void sort() {
    if (!order_.empty()) return;
    std::vector<decltype(lru_key(Gpu()))> keys;
    for (const Gpu* gpu : gpus_) {
      if (gpu != nullptr) keys.push_back(lru_key(*gpu));
    }
    std::sort(keys.begin(), keys.end());
    for (const auto& key : keys) order_.push_back(std::get<int>(key));
  }

  std::vector<const Gpu*> gpus_;  ///< by index; nullptr: not to be had
  std::size_t left_ = 0;
  std::size_t free_ = 0;  ///< of them, those that are not `unavailable`
  std::vector<int> order_;
  std::size_t first_left_ = 0;  ///< in order_
};

// Whether nothing is left that this request, whatever it asks, could take.
bool finds_nothing(const Available& available, const Request& request) {
  return available.empty() || (!request.force && !available.has_free()) || !sees_enough(request);
}

Reservation granted(const Request& request, std::vector<int> gpus, const Circumstances& given) {
  std::sort(gpus.begin(), gpus.end());
  Reservation reservation;
  reservation.id = request.id;
  reservation.grant = given.serial;
  reservation.account = request.account;
  reservation.label = request.label;
  reservation.note = request.note;
  reservation.command = request.command;
  reservation.kind = request.kind;
  reservation.gpus = std::move(gpus);
  reservation.started = given.now;
  reservation.last_heartbeat = given.now;
  if (request.duration) reservation.ends = given.now.wall + *request.duration;
  reservation.holder = request.waiter;
  reservation.request = request;
  return reservation;
}

void grant(Pool& pool, const Request& request, const std::vector<int>& gpus,
           const Circumstances& given) {
  for (const int gpu : gpus) find_gpu(pool, gpu)->unavailable.reset();
  const Reservation& made = pool.reservations.emplace_back(granted(request, gpus, given));
  add_event(pool, EventKind::Granted, made, std::nullopt).ends = made.ends;
}

// What each waiting request holds of the free GPUs, or the limit that it waits for; and the
// reservation that serves it, if it is not the pool.
struct Held {
  std::vector<int> gpus;
  std::optional<GpuLimit> limit;
  std::string within;
};

// Of all of them, in the order of the queue.
std::vector<Held> held_gpus(const Pool& pool) {
  std::vector<Held> held(pool.queue.size());
  Available available(pool);
  Quotas quotas(pool);
  Rooms rooms(pool);
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    const Request& request = pool.queue[i];
    if (const std::string* outer = rooms.outer(request)) held[i].within = *outer;
    if (request.passed_over) continue;
    if (!held[i].within.empty()) {
      held[i].gpus = rooms.usable_by(request);
      rooms.remove(request, held[i].gpus);
      continue;
    }
    held[i].limit = quotas.count(request);
    if (held[i].limit || finds_nothing(available, request)) continue;
    held[i].gpus = available.usable_by(request);
    available.remove(held[i].gpus);
  }
  return held;
}

Blocker blocked_by(const Reservation& reservation, int gpu, const Request& request) {
  return {Blocker::Kind::Reserved,
          {gpu},
          display_name(reservation.account, reservation.label),
          reservation.ends,
          reservation.account.uid == request.account.uid && reservation.label == request.label};
}

// `outer`: the reservation that serves the request; nullptr: the pool does.
Blocker blocker_of(const Pool& pool, const Gpu& gpu, const Request& request,
                   const Reservation* outer, const Request* held_for) {
  const Reservation* taken_by = reservation_of(pool, gpu.index);
  if (outer != nullptr) {
    const auto inside = inner_on(pool, *outer, gpu.index);
    if (!inside.empty()) return blocked_by(*inside.front(), gpu.index, request);
    // One that it has lost is another's.
    const auto& own = outer->gpus;
    if (std::binary_search(own.begin(), own.end(), gpu.index)) taken_by = nullptr;
  }
  if (taken_by != nullptr) return blocked_by(*taken_by, gpu.index, request);
  if (gpu.out_of_service && (outer == nullptr || pool.recall.began)) {
    return {Blocker::Kind::OutOfService, {gpu.index}, *gpu.out_of_service, std::nullopt};
  }
  if (gpu.unavailable) {
    const bool use = gpu.unavailable->kind == Unavailability::Kind::UnreservedUse;
    return {use ? Blocker::Kind::UnreservedUse : Blocker::Kind::Error,
            {gpu.index},
            gpu.unavailable->what,
            std::nullopt};
  }
  if (outer == nullptr && avoids(request, gpu.index))
    return {Blocker::Kind::Avoided, {gpu.index}, "", std::nullopt};
  return {Blocker::Kind::Held,
          {gpu.index},
          held_for == nullptr ? "" : display_name(held_for->account, held_for->label),
          std::nullopt};
}

void add_blocker(std::vector<Blocker>& blockers, Blocker blocker) {
  const auto same = std::find_if(blockers.begin(), blockers.end(), [&](const Blocker& other) {
    return std::tie(other.kind, other.who, other.until, other.is_own) ==
           std::tie(blocker.kind, blocker.who, blocker.until, blocker.is_own);
  });
  if (same == blockers.end()) {
    blockers.push_back(std::move(blocker));
  } else {
    same->gpus.insert(same->gpus.end(), blocker.gpus.begin(), blocker.gpus.end());
  }
}

// For which waiting request each GPU is held.
using Holders = std::map<int, const Request*>;

Holders holders_of(const Pool& pool, const std::vector<Held>& held) {
  Holders holders;
  for (std::size_t i = 0; i < held.size(); ++i) {
    for (const int gpu : held[i].gpus) holders[gpu] = &pool.queue[i];
  }
  return holders;
}

Reason reason_of(const Pool& pool, const std::vector<Held>& held, const Holders& holders,
                 std::size_t place) {
  const Request& request = pool.queue[place];
  const auto& [mine, limit, within] = held[place];
  Reason reason{request.count, request.gpu_ids, static_cast<int>(mine.size()), {}, limit};
  reason.passed_over = request.passed_over;
  reason.within = within;
  if (limit || request.passed_over) return reason;
  const Reservation* outer = within.empty() ? nullptr : find_reservation(pool, within);
  const auto inside = outer == nullptr ? std::vector<int>() : all_gpus(*outer);
  for (const Gpu& gpu : pool.gpus) {
    if (!names(request, gpu.index) || std::binary_search(mine.begin(), mine.end(), gpu.index))
      continue;
    if (outer != nullptr && !std::binary_search(inside.begin(), inside.end(), gpu.index)) continue;
    if (!sees(request, gpu.index)) {
      add_blocker(reason.blockers, {Blocker::Kind::Invisible, {gpu.index}, "", std::nullopt});
      continue;
    }
    const auto holder = holders.find(gpu.index);
    add_blocker(reason.blockers, blocker_of(pool, gpu, request, outer,
                                            holder == holders.end() ? nullptr : holder->second));
  }
  const bool waits_for_own = std::any_of(reason.blockers.begin(), reason.blockers.end(),
                                         [](const Blocker& blocker) { return blocker.is_own; });
  reason.fits_in_own = waits_for_own && outer == nullptr &&
                       request.kind == ReservationKind::Run &&
                       own_manual(pool, request) != nullptr;
  return reason;
}

// When each GPU will be free, as far as that is known, while the queue is served in order.
class Forecast {
 public:
  Forecast(const Pool& pool, WallTime now) {
    for (const Gpu& gpu : pool.gpus) {
      const Reservation* reservation = reservation_of(pool, gpu.index);
      std::optional<WallTime> free_at = now;
      if (gpu.out_of_service || gpu.unavailable) {
        free_at = std::nullopt;
      } else if (reservation != nullptr) {
        free_at = reservation->ends;
        // What should have ended by now ends at a time that nobody knows.
        if (free_at && *free_at <= now) free_at = std::nullopt;
      }
      gpus_.push_back({gpu.index, free_at});
    }
  }

  // The estimated start of the request, which then occupies what it gets.
  std::optional<WallTime> serve(const Request& request) {
    if (!knows_any_ || request.passed_over || !sees_enough(request)) return std::nullopt;
    std::vector<Entry*> wanted;
    for (Entry& entry : gpus_) {
      if (asks_for(request, entry.gpu)) wanted.push_back(&entry);
    }
    std::stable_sort(wanted.begin(), wanted.end(), [](const Entry* a, const Entry* b) {
      return a->free_at.has_value() && (!b->free_at || *a->free_at < *b->free_at);
    });
    const auto count = static_cast<std::size_t>(request.count);
    const bool known = wanted.size() >= count && wanted[count - 1]->free_at.has_value();
    // A request of unknown start keeps whatever becomes free, so nothing is known behind it either.
    if (!known) {
      for (Entry* entry : wanted) entry->free_at.reset();
      if (request.gpu_ids.empty() && !request.visible) knows_any_ = false;
      return std::nullopt;
    }
    const WallTime start = *wanted[count - 1]->free_at;
    for (std::size_t i = 0; i < count; ++i) {
      wanted[i]->free_at.reset();
      if (request.duration) wanted[i]->free_at = start + *request.duration;
    }
    return start;
  }

 private:
  struct Entry {
    int gpu;
    std::optional<WallTime> free_at;
  };
  std::vector<Entry> gpus_;
  bool knows_any_ = true;  ///< false: of no GPU any more
};

// One beyond its limit waits for its own account, and one inside a reservation for runs there: they
// occupy nothing of the pool until then.
std::optional<WallTime> start_of(Forecast& forecast, const Request& request, const Held& held) {
  return held.limit || !held.within.empty() ? std::nullopt : forecast.serve(request);
}

void require_sense(const Request& request) {
  const auto& named = request.gpu_ids;
  if (request.count < 1) throw Error(ErrorKind::Usage, "a request is for one GPU at least");
  if (!named.empty() && named.size() != static_cast<std::size_t>(request.count)) {
    throw Error(ErrorKind::Usage, fmt::format("{} asked for, and {} named",
                                              count_of(request.count, "GPU"), named.size()));
  }
  if (std::adjacent_find(named.begin(), named.end()) != named.end()) {
    throw Error(ErrorKind::Usage, "a GPU is named twice: " + to_id_list(named));
  }
}

// Those that the request would get now: as many as it asks for, or else all that it could use.
std::vector<int> choose(const Pool& pool, Available& available, const Request& request,
                        AllocationPolicy policy) {
  const bool any = request.gpu_ids.empty();
  if (any && policy == AllocationPolicy::LeastRecentlyUsed)
    return available.oldest_usable_by(request);
  std::vector<int> usable = available.usable_by(request);
  const auto count = static_cast<std::size_t>(request.count);
  if (usable.size() <= count) return usable;
  if (any) {
    usable = in_order_of_preference(pool, std::move(usable), request.account.uid, policy);
  }
  usable.resize(count);
  return usable;
}

std::uint64_t microseconds(WallTime time) {
  const auto since_1970 = std::chrono::floor<std::chrono::microseconds>(time).time_since_epoch();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(since_1970.count(), 0));
}

}  // namespace

void enqueue(Pool& pool, Request request) {
  require_sense(request);
  for (const int id : request.gpu_ids) require_gpu(pool, id);
  if (static_cast<std::size_t>(request.count) > pool.gpus.size()) {
    throw Error(ErrorKind::Usage, fmt::format("{} can never be granted: this host has {}",
                                              count_of(request.count, "GPU"), gpu_range(pool)));
  }
  if (request.arrival == 0)
    request.arrival = std::max(pool.next_arrival, microseconds(request.enqueued.wall));
  put_in_place(pool, std::move(request));
}

void put_in_place(Pool& pool, Request request) {
  pool.next_arrival = std::max(pool.next_arrival, request.arrival + 1);
  const auto place =
      std::upper_bound(pool.queue.begin(), pool.queue.end(), request, is_served_before);
  pool.queue.insert(place, std::move(request));
}

bool may_take(const Request& request, const Gpu& gpu) {
  if (!gpu.unavailable) return !avoids(request, gpu.index);
  return request.force && gpu.unavailable->kind == Unavailability::Kind::UnreservedUse &&
         gpu.unavailable->uids == std::vector{request.account.uid};
}

namespace {

// Walks the queue once, and grants what fits. Returns the ids of that.
std::vector<std::string> serve_queue(Pool& pool, const Circumstances& given) {
  std::vector<std::string> granted_ids;
  std::vector<bool> leaves(pool.queue.size());
  Available available(pool);
  Quotas quotas(pool);
  Rooms rooms(pool);
  const auto is_done = [&] { return available.empty() && rooms.empty(); };
  for (std::size_t i = 0; i < pool.queue.size() && !is_done(); ++i) {
    const Request& request = pool.queue[i];
    if (request.passed_over) continue;
    const auto drop_if_gone = [&] {
      if (!is_gone(request.waiter, request.last_heartbeat, pool.policy, given)) return false;
      leaves[i] = true;
      add_event(pool, EventKind::Withdrawn, request, std::nullopt);
      return true;
    };
    // One that is gone takes up nothing of what its account may have.
    if (!pool.policy.limits.empty() && drop_if_gone()) continue;
    const bool is_inner = rooms.outer(request) != nullptr;
    const bool is_out = !is_inner && (quotas.count(request) || finds_nothing(available, request));
    if (is_out) continue;
    const std::vector<int> usable = is_inner
                                        ? rooms.usable_by(request)
                                        : choose(pool, available, request, pool.policy.allocation);
    if (usable.empty() || drop_if_gone()) continue;
    const bool fits = usable.size() == static_cast<std::size_t>(request.count);
    is_inner ? rooms.remove(request, usable) : available.remove(usable);
    if (fits) {
      grant(pool, request, usable, given);
      granted_ids.push_back(request.id);
      leaves[i] = true;
    }
  }
  std::size_t place = 0;
  std::erase_if(pool.queue, [&](const Request&) { return leaves[place++]; });
  return granted_ids;
}

}  // namespace

std::vector<std::string> schedule(Pool& pool, const Circumstances& given) {
  reclaim_lost_gpus(pool);
  std::vector<std::string> granted_ids = serve_queue(pool, given);
  // Again, where one that was granted serves a request inside of it: that held GPUs of the pool.
  for (std::vector<std::string> latest = granted_ids; is_any_waiting_inside(pool, latest);) {
    latest = serve_queue(pool, given);
    granted_ids.insert(granted_ids.end(), latest.begin(), latest.end());
  }
  return granted_ids;
}

std::vector<Decision> explain(const Pool& pool, const Instant& now) {
  const std::vector<Held> held = held_gpus(pool);
  const Holders holders = holders_of(pool, held);
  Forecast forecast(pool, now.wall);
  std::vector<Decision> decisions;
  decisions.reserve(pool.queue.size());
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    decisions.push_back({pool.queue[i].id, static_cast<int>(i) + 1, held[i].gpus,
                         reason_of(pool, held, holders, i),
                         start_of(forecast, pool.queue[i], held[i])});
  }
  return decisions;
}

std::optional<Decision> explain(const Pool& pool, const std::string& request_id,
                                const Instant& now) {
  const std::vector<Held> held = held_gpus(pool);
  Forecast forecast(pool, now.wall);
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    const std::optional<WallTime> start = start_of(forecast, pool.queue[i], held[i]);
    if (pool.queue[i].id == request_id) {
      return Decision{request_id, static_cast<int>(i) + 1, held[i].gpus,
                      reason_of(pool, held, holders_of(pool, held), i), start};
    }
  }
  return std::nullopt;
}

std::vector<int> in_order_of_preference(const Pool& pool, std::vector<int> candidates,
                                        std::uint32_t uid, AllocationPolicy policy) {
  // Sorts by own use, newest first, under mru-per-user; then as lru.
  const auto key = [&](int index) {
    const Gpu* gpu = find_gpu(pool, index);
    std::int64_t own = 0;
    if (policy == AllocationPolicy::MostRecentlyPerUser) {
      const auto used = gpu->last_used_by_uid.find(uid);
      if (used != gpu->last_used_by_uid.end()) own = -used->second.time_since_epoch().count();
    }
    return std::tuple_cat(std::tuple(own), lru_key(*gpu));
  };
  std::vector<decltype(key(0))> keys;
  keys.reserve(candidates.size());
  for (const int index : candidates) keys.push_back(key(index));
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 0; i < keys.size(); ++i) candidates[i] = std::get<int>(keys[i]);
  return candidates;
}

}  // namespace chg
