// Runs inside reservations.
#include <algorithm>

#include <fmt/format.h>

#include "sim/indices.h"
#include "sim/lineage.h"
#include "sim/model.h"
#include "sim/violation.h"

namespace chg::sim {
namespace {

bool has_all(const std::vector<int>& gpus, const std::vector<int>& some) {
  return std::all_of(some.begin(), some.end(), [&](int gpu) { return holds(gpus, gpu); });
}

std::vector<int> with_lost(const Reservation& reservation) {
  std::vector<int> all = reservation.gpus;
  all.insert(all.end(), reservation.lost.begin(), reservation.lost.end());
  return all;
}

bool fits_into(const Reservation& inner, const Reservation& outer) {
  return is_made_inside(inner.id, outer.id) && inner.account == outer.account &&
         has_all(with_lost(outer), with_lost(inner));
}

std::vector<int> named_of(const Request& request, std::vector<int> gpus) {
  const auto& named = request.gpu_ids;
  std::erase_if(gpus, [&](int gpu) { return !named.empty() && !holds(named, gpu); });
  return gpus;
}

}  // namespace

int Model::outer(int client) const {
  const Reservation& mine = *entries_.at(client).held;
  for (const int other : clients_of(mine.id)) {
    const Entry* entry = other == client ? nullptr : holding(other);
    if (entry == nullptr || !fits_into(mine, *entry->held)) continue;
    if (has_all(entry->held->gpus, mine.gpus)) return other;
  }
  return kNobody;
}

int Model::outermost(int client) const {
  int around = client;
  for (int next = outer(around); next != kNobody; next = outer(around)) around = next;
  return around;
}

int Model::server_of(const Request& request) const {
  const std::vector<int> clients = clients_of(request.id);
  for (const int other : clients) {
    const Entry* entry = other == clients.front() ? nullptr : holding(other);
    if (entry == nullptr || entry->held->account != request.account) continue;
    if (named_of(request, with_lost(*entry->held)).size() >= at(request.count)) return other;
  }
  return kNobody;
}

bool Model::has_room_inside(const Request& request) const {
  const std::vector<int> clients = clients_of(request.id);
  for (const int other : clients) {
    const Entry* entry = other == clients.front() ? nullptr : holding(other);
    if (entry == nullptr || entry->held->account != request.account) continue;
    std::vector<int> gpus = named_of(request, with_lost(*entry->held));
    const auto& visible = request.visible;
    std::erase_if(gpus, [&](int gpu) { return visible && !holds(*visible, gpu); });
    return gpus.size() >= at(request.count);
  }
  return true;
}

std::vector<int> Model::free_in(int outer) const {
  const Reservation& whole = *entries_.at(outer).held;
  std::vector<int> free = whole.gpus;
  for (const int client : holders_) {
    const Reservation& inner = *entries_.at(client).held;
    if (!fits_into(inner, whole)) continue;
    std::erase_if(free, [&](int gpu) { return holds(inner.gpus, gpu); });
  }
  return free;
}

bool Model::may_have(int client, const Reservation& own, int gpu) const {
  for (const int other : holders_) {
    if (other == client) continue;
    const Reservation& held = *entries_.at(other).held;
    const bool is_kin = fits_into(own, held) || fits_into(held, own);
    if (holds(held.gpus, gpu) && !is_kin) return false;
  }
  // The nearest one that it would be inside of has to have the GPU itself.
  for (const int other : clients_of(own.id)) {
    const Entry* entry = other == client ? nullptr : holding(other);
    if (entry == nullptr || !fits_into(own, *entry->held)) continue;
    if (has_all(entry->held->gpus, own.gpus)) return holds(entry->held->gpus, gpu);
  }
  return true;
}

// Whoever has it and is inside of nobody.
void Model::find_owner(int gpu) {
  int& owner = gpus_[at(gpu)].owner;
  owner = kNobody;
  for (const int client : holders_) {
    if (!holds(entries_.at(client).held->gpus, gpu) || outer(client) != kNobody) continue;
    if (owner != kNobody) throw Violation("reserved twice", fmt::format("GPU {}", gpu));
    owner = client;
  }
}

std::vector<int> Model::inner_clients() const {
  std::vector<int> inner = holders_;
  std::erase_if(inner, [&](int client) { return outer(client) == kNobody; });
  return inner;
}

void Model::go_on_alone(const std::vector<int>& inner, WallTime from) {
  for (const int client : inner) {
    if (holding(client) == nullptr || outer(client) != kNobody) continue;
    Instant& started = entries_.at(client).held->started;
    started.wall = std::max(started.wall, from);
    ++alone_;
  }
}

std::string Model::within(int client) const {
  const int other = outer(client);
  return other == kNobody ? "" : entries_.at(other).held->id;
}

std::optional<std::size_t> Model::size_of(const std::string& id) const {
  if (id.empty()) return std::nullopt;
  return with_lost(*entries_.at(client_of(id)).held).size();
}

void Model::require_own(const std::string& outer, const Request& request,
                        const std::string& carried) const {
  if (!carried.empty()) {
    std::string expected;
    for (const int client : clients_of(carried)) {
      const Entry* entry = holding(client);
      const bool is_it = entry != nullptr && entry->held->account == request.account;
      if (expected.empty() && is_it) expected = entry->held->id;
    }
    if (!expected.empty() && expected != outer) throw Violation("inside another", outer);
    if (!expected.empty()) return;
  }
  const auto will_do = [&](const Reservation& held) {
    return held.kind == ReservationKind::Manual && !held.request &&
           held.account == request.account && held.label == request.label &&
           named_of(request, with_lost(held)).size() >= at(request.count);
  };
  if (!outer.empty()) {
    const Entry* entry = holding(client_of(outer));
    if (entry == nullptr || !will_do(*entry->held)) throw Violation("inside a stranger's", outer);
    return;
  }
  const bool has_one = std::any_of(holders_.begin(), holders_.end(),
                                   [&](int client) { return will_do(*entries_.at(client).held); });
  if (has_one && !request.gpu_ids.empty()) throw Violation("waits for itself", "a run");
}

}  // namespace chg::sim
