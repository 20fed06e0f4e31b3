#include "store/difference.h"

#include <algorithm>

namespace chg {
namespace {

template <typename Item>
Item without_heartbeat(Item item) {
  item.last_heartbeat = {};
  return item;
}

// Calls written(before or nullptr, after) and removed(before) for what differs between two lists.
template <typename Item, typename Key, typename Written, typename Removed>
void compare(const std::vector<Item>& before, const std::vector<Item>& after, Key key,
             Written written, Removed removed) {
  const auto find = [&](const std::vector<Item>& items, const Item& wanted, std::size_t guess) {
    // Most items keep their place, or move up a little; a search of the whole list is the
    // exception.
    if (guess < items.size() && key(items[guess]) == key(wanted)) return &items[guess];
    const auto found = std::find_if(items.begin(), items.end(),
                                    [&](const Item& item) { return key(item) == key(wanted); });
    return found == items.end() ? nullptr : &*found;
  };
  std::ptrdiff_t shift = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const Item* old = find(before, after[i], i + static_cast<std::size_t>(shift));
    if (old != nullptr) shift = (old - before.data()) - static_cast<std::ptrdiff_t>(i);
    if (old == nullptr || !(*old == after[i])) written(old, after[i]);
  }
  shift = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Item* now = find(after, before[i], i + static_cast<std::size_t>(shift));
    if (now == nullptr) {
      removed(before[i]);
    } else {
      shift = (now - after.data()) - static_cast<std::ptrdiff_t>(i);
    }
  }
}

}  // namespace

Difference difference(const Pool& before, const Pool& after) {
  Difference result;
  compare(
      before.gpus, after.gpus, [](const Gpu& gpu) { return gpu.index; },
      [&](const Gpu* old, const Gpu& gpu) {
        result.gpus_written.push_back(&gpu);
        result.gpus_came_or_went = result.gpus_came_or_went || old == nullptr;
      },
      [&](const Gpu& gpu) {
        result.gpus_removed.push_back(gpu.index);
        result.gpus_came_or_went = true;
      });
  result.provider_changed = before.provider != after.provider;
  result.policy_changed = before.policy != after.policy;
  result.identity_changed = before.host != after.host;
  result.settings_changed =
      before.admin_group != after.admin_group || before.creator_uid != after.creator_uid ||
      before.next_arrival != after.next_arrival || before.absent_drains != after.absent_drains ||
      result.gpus_came_or_went;
  result.recall_changed = before.recall != after.recall;
  result.cancelled_changed = before.cancelled != after.cancelled;
  bool news = result.host_changed() || result.cancelled_changed || !after.events.empty();
  compare(
      before.reservations, after.reservations,
      [](const Reservation& reservation) -> const auto& { return reservation.id; },
      [&](const Reservation* old, const Reservation& reservation) {
        result.reservations_written.push_back(&reservation);
        const bool heartbeat =
            old != nullptr && without_heartbeat(*old) == without_heartbeat(reservation);
        news = news || !heartbeat;
        const bool has_begun = reservation.supervisor && (old == nullptr || !old->supervisor);
        result.run_began = result.run_began || has_begun;
        const bool promised = reservation.kind == ReservationKind::Manual && !reservation.holder;
        result.manual_changed = result.manual_changed || (promised && !heartbeat);
      },
      [&](const Reservation& reservation) {
        result.reservations_removed.push_back(reservation.id);
        result.manual_changed =
            result.manual_changed || reservation.kind == ReservationKind::Manual;
      });
  compare(
      before.queue, after.queue, [](const Request& request) -> const auto& { return request.id; },
      [&](const Request* old, const Request& request) {
        result.requests_written.push_back(&request);
        news = news || old == nullptr || without_heartbeat(*old) != without_heartbeat(request);
      },
      [&](const Request& request) { result.requests_removed.push_back(request.id); });
  news = news || !result.gpus_written.empty() || !result.gpus_removed.empty() ||
         !result.reservations_removed.empty() || !result.requests_removed.empty();
  result.heartbeats_only = !news;
  result.is_empty = !news && !result.recall_changed && result.reservations_written.empty() &&
                    result.requests_written.empty();
  return result;
}

}  // namespace chg
