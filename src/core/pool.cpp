#include "core/pool.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "core/inner.h"

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

// Longer command lines say little more, and every command reads those of all reservations.
constexpr std::size_t kCommandCharacters = 200;

// `about`: a request or a reservation.
template <typename About>
Event& add_event_about(Pool& pool, EventKind kind, const About& about,
                       const std::optional<Account>& actor) {
  Event& event = pool.events.emplace_back();
  event.kind = kind;
  event.actor = actor;
  event.id = about.id;
  event.owner = about.account;
  event.label = about.label;
  event.note = about.note;
  event.command = about.command;
  event.reservation_kind = about.kind;
  if (const Reservation* outer = outer_of(pool, about)) event.within = outer->id;
  return event;
}

void mark_released(Pool& pool, int index, const Account& by, const Instant& ended) {
  Gpu* gpu = find_gpu(pool, index);
  if (gpu == nullptr) return;
  gpu->last_released = ended;
  gpu->last_used_by_uid[by.uid] = ended.wall;
}

}  // namespace

const Gpu* find_gpu(const Pool& pool, int index) { return find_by_index(pool.gpus, index); }

Gpu* find_gpu(Pool& pool, int index) { return find_by_index(pool.gpus, index); }

bool avoids(const Request& request, int gpu) {
  return std::binary_search(request.avoided.begin(), request.avoided.end(), gpu);
}

void require_gpu(const Pool& pool, int index) {
  if (find_gpu(pool, index) != nullptr) return;
  throw Error(ErrorKind::Usage,
              fmt::format("unknown GPU '{}': this host has {}", index, gpu_range(pool)));
}

std::string gpu_range(const Pool& pool) {
  const std::size_t count = pool.gpus.size();
  if (count == 0) return "none";
  return count == 1 ? "1 (0)" : fmt::format("{} (0-{})", count, count - 1);
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
    return std::binary_search(reservation.gpus.begin(), reservation.gpus.end(), gpu) &&
           outer_of(pool, reservation) == nullptr;
  });
}

Event& add_event(Pool& pool, EventKind kind, const Request& request,
                 const std::optional<Account>& actor) {
  Event& event = add_event_about(pool, kind, request, actor);
  event.count = request.count;
  event.gpus = request.gpu_ids;
  return event;
}

Event& add_event(Pool& pool, EventKind kind, const Reservation& reservation,
                 const std::optional<Account>& actor) {
  Event& event = add_event_about(pool, kind, reservation, actor);
  event.gpus = reservation.gpus;
  event.grant = reservation.grant;
  return event;
}

Event& add_event(Pool& pool, EventKind kind, const Account& actor) {
  Event& event = pool.events.emplace_back();
  event.kind = kind;
  event.actor = actor;
  event.owner = actor;
  return event;
}

void stamp_events(Pool& pool, WallTime now) {
  for (Event& event : pool.events) {
    if (event.at == WallTime{}) event.at = now;
  }
}

std::string short_command_text(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) {
    if (!text.empty()) text += ' ';
    text += argument;
  }
  return printable(text, kCommandCharacters);
}

void end_reservation(Pool& pool, const std::string& id, const Instant& ended, EndReason end,
                     const std::optional<Account>& actor) {
  if (const Reservation* reservation = find_reservation(pool, id)) {
    // A copy: the reservation, and its list with it, goes away on the way.
    const std::vector<int> gpus = reservation->gpus;
    end_reservation_on(pool, id, gpus, ended, end, actor);
  }
}

void end_reservation_on(Pool& pool, const std::string& id, const std::vector<int>& gpus,
                        const Instant& ended, EndReason end, const std::optional<Account>& actor) {
  Reservation* reservation = find_reservation(pool, id);
  if (reservation == nullptr) return;
  Instant at = ended;
  at.wall = std::max(at.wall, reservation->started.wall);
  Event& event = add_event(pool, EventKind::Ended, *reservation, actor);
  event.at = at.wall;
  event.started = reservation->started.wall;
  event.how = end;
  event.grant = reservation->grant;
  event.gpus.clear();
  const bool is_inner = !event.within.empty();
  // Only what was made inside of this one may be inside of something else, or of nothing, by now.
  const bool is_outer =
      std::any_of(pool.reservations.begin(), pool.reservations.end(),
                  [&](const Reservation& other) { return was_made_inside(other.id, id); });
  const auto inside = is_outer ? inner_ids(pool) : std::vector<std::string>();
  for (const int gpu : gpus) {
    if (std::erase(reservation->gpus, gpu) == 0) continue;
    event.gpus.push_back(gpu);
    if (!is_inner) mark_released(pool, gpu, reservation->account, at);
  }
  std::sort(event.gpus.begin(), event.gpus.end());
  if (event.gpus.empty() && !reservation->gpus.empty()) pool.events.pop_back();
  if (reservation->gpus.empty()) {
    // Whoever was granted it and has not begun would come back, as to a store that has lost it.
    const bool on_purpose = end == EndReason::Released || end == EndReason::Cleared;
    if (on_purpose && reservation->request) {
      pool.cancelled.push_back(
          {reservation->id, reservation->request->waiter, reservation->last_heartbeat});
    }
    std::erase_if(pool.reservations, [&](const Reservation& other) { return other.id == id; });
  }
  go_on_alone(pool, inside, at.wall);
}

}  // namespace chg
