#include "core/pool.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"

namespace chg {
namespace {

template <typename Items, typename Matches>
auto find_in(Items& items, Matches matches) -> decltype(&*items.begin()) {
  const auto found = std::find_if(items.begin(), items.end(), matches);
  return found == items.end() ? nullptr : &*found;
}

// Where all GPUs are there, each is at the place of its index.
template <typename Gpus>
auto find_by_index(Gpus& gpus, int index) -> decltype(&*gpus.begin()) {
  const auto place = static_cast<std::size_t>(index);
  if (place < gpus.size() && gpus[place].index == index) return &gpus[place];
  return find_in(gpus, [&](const Gpu& gpu) { return gpu.index == index; });
}

void end_on_gpu(Pool& pool, const Reservation& reservation, int index, const Instant& ended,
                EndReason end) {
  pool.ended.push_back({reservation.id, index, reservation.account, reservation.label,
                        reservation.kind, reservation.started.wall, ended.wall, end,
                        reservation.grant});
  if (Gpu* gpu = find_gpu(pool, index)) {
    gpu->last_released = ended;
    gpu->last_used_by_uid[reservation.account.uid] = ended.wall;
  }
}

}  // namespace

const Gpu* find_gpu(const Pool& pool, int index) { return find_by_index(pool.gpus, index); }

Gpu* find_gpu(Pool& pool, int index) { return find_by_index(pool.gpus, index); }

void require_gpu(const Pool& pool, int index) {
  if (find_gpu(pool, index) != nullptr) return;
  throw Error(ErrorKind::Usage,
              fmt::format("unknown GPU '{}': this host has {}", index, gpu_range(pool)));
}

std::string gpu_range(const Pool& pool) {
  const std::size_t count = pool.gpus.size();
  return count == 0 ? "none" : fmt::format("{} (0-{})", count, count - 1);
}

const Reservation* find_reservation(const Pool& pool, const std::string& id) {
  return find_in(pool.reservations,
                 [&](const Reservation& reservation) { return reservation.id == id; });
}

Reservation* find_reservation(Pool& pool, const std::string& id) {
  return find_in(pool.reservations,
                 [&](const Reservation& reservation) { return reservation.id == id; });
}

bool starts_before(const Reservation& a, const Reservation& b) {
  return std::tie(a.started.wall, a.id) < std::tie(b.started.wall, b.id);
}

bool is_served_before(const Request& a, const Request& b) {
  return std::tie(a.arrival, a.id) < std::tie(b.arrival, b.id);
}

const Request* find_request(const Pool& pool, const std::string& id) {
  return find_in(pool.queue, [&](const Request& request) { return request.id == id; });
}

const Reservation* reservation_of(const Pool& pool, int gpu) {
  return find_in(pool.reservations, [&](const Reservation& reservation) {
    return std::binary_search(reservation.gpus.begin(), reservation.gpus.end(), gpu);
  });
}

void end_reservation(Pool& pool, const std::string& id, const Instant& ended, EndReason end) {
  if (const Reservation* reservation = find_reservation(pool, id)) {
    // A copy: the reservation, and its list with it, goes away on the way.
    const std::vector<int> gpus = reservation->gpus;
    end_reservation_on(pool, id, gpus, ended, end);
  }
}

void end_reservation_on(Pool& pool, const std::string& id, const std::vector<int>& gpus,
                        const Instant& ended, EndReason end) {
  Reservation* reservation = find_reservation(pool, id);
  if (reservation == nullptr) return;
  Instant at = ended;
  at.wall = std::max(at.wall, reservation->started.wall);
  for (const int gpu : gpus) {
    if (std::erase(reservation->gpus, gpu) > 0) end_on_gpu(pool, *reservation, gpu, at, end);
  }
  if (reservation->gpus.empty()) {
    // Whoever was granted it and has not begun would come back, as to a store that has lost it.
    const bool on_purpose = end == EndReason::Released || end == EndReason::Cleared;
    if (on_purpose && reservation->request) {
      pool.cancelled.push_back(
          {reservation->id, reservation->request->waiter, reservation->last_heartbeat});
    }
    std::erase_if(pool.reservations, [&](const Reservation& other) { return other.id == id; });
  }
}

}  // namespace chg
