// What people, waiters and supervisors change.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "sim/indices.h"
#include "sim/lineage.h"
#include "sim/model.h"
#include "sim/violation.h"

namespace chg::sim {
namespace {

std::vector<int> all_gpus(const Reservation& reservation) {
  std::vector<int> all = reservation.gpus;
  all.insert(all.end(), reservation.lost.begin(), reservation.lost.end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

void Model::join(int client, const Request& request, int process) {
  if (entries_.count(client) > 0) throw Violation("id used twice", request.id);
  Entry entry;
  entry.request = request;
  entry.process = process;
  const auto now_us = std::chrono::floor<std::chrono::microseconds>(now_.wall);
  entry.request.arrival =
      std::max(next_arrival_, static_cast<std::uint64_t>(now_us.time_since_epoch().count()));
  entry.came_late = machine_.wall_is_behind() || entry.request.arrival <= highest_arrival_;
  highest_arrival_ = std::max(highest_arrival_, entry.request.arrival);
  entries_.emplace(client, std::move(entry));
  take_place(client);
  if (queue_.back() != client) throw Violation("overtaken on arrival", request.id);
}

// It keeps the place that it had, whatever the pool has forgotten.
void Model::take_place(int client) {
  const Entry& mine = entries_.at(client);
  next_arrival_ = std::max(next_arrival_, mine.request.arrival + 1);
  const auto place = std::find_if(queue_.begin(), queue_.end(), [&](int other) {
    const Request& request = entries_.at(other).request;
    return std::tie(mine.request.arrival, mine.request.id) < std::tie(request.arrival, request.id);
  });
  // Who came later stands behind. Numbers can't tell where the clock had been set back.
  const auto is_wrong = [&](const Entry& first, const Entry& second) {
    return !first.came_late && machine_.is_earlier(second.request.enqueued, first.request.enqueued);
  };
  for (auto other = queue_.begin(); other != queue_.end(); ++other) {
    const Entry& entry = entries_.at(*other);
    const bool is_before = other < place;
    if (is_before ? is_wrong(entry, mine) : is_wrong(mine, entry)) {
      throw Violation("place", fmt::format("{} and {}", mine.request.id, entry.request.id));
    }
  }
  queue_.insert(place, client);
}

void Model::requeue(int client, const Request& request) {
  entries_.at(client).request = request;
  take_place(client);
}

void Model::leave(int client) { std::erase(queue_, client); }

void Model::forget(int client) {
  if (holding(client) != nullptr) free(client);
}

void Model::return_to_queue(int client, const Request& request, const Sighting& sighting) {
  // As the waiter knows it: a sign of life that it gave when it was granted may be missing.
  entries_.at(client).request = request;
  entries_.at(client).request.visible = visible(sighting);
  for (const int gpu : entries_.at(client).held->gpus) gpus_[at(gpu)].known.reset();
  free(client);
  take_place(client);
  observe(sighting);
}

void Model::claim(int client, Duration duration) {
  Reservation& reservation = *entries_.at(client).held;
  reservation.holder.reset();
  reservation.request.reset();
  Entry& entry = entries_.at(client);
  reservation.ends = now_.wall + duration + entry.extended;
  // Its owner's clock tells when it began, not that of whoever granted it, where they differ by
  // more than a second.
  const WallTime began = now_.wall - (now_.boot - reservation.started.boot);
  const bool is_another =
      std::chrono::abs(began - reservation.started.wall) > std::chrono::seconds(1);
  if (is_another && reservation.started.boot_id == now_.boot_id) reservation.started.wall = began;
  entry.until = machine_.now().boot + duration + entry.extended;
}

void Model::attach(int client, int supervisor) {
  Entry& entry = entries_.at(client);
  entry.supervisor = supervisor;
  entry.held->supervisor = machine_.identity(supervisor);
  entry.held->request.reset();
  entry.held->last_heartbeat = now_;
}

void Model::beat_request(int client) {
  Request& request = entries_.at(client).request;
  request.last_heartbeat = now_;
  request.passed_over = false;
}

void Model::beat_reservation(int client) { entries_.at(client).held->last_heartbeat = now_; }

void Model::mark_ending(int client, EndReason end, const std::optional<Account>& by) {
  entries_.at(client).held->ending = end;
  entries_.at(client).held->ending_by = by;
}

void Model::note_leftovers(int client, const std::vector<ProcessIdentity>& leftovers) {
  entries_.at(client).held->leftovers = leftovers;
}

void Model::drain(const std::vector<int>& gpus, bool out_of_service) {
  for (const int gpu : gpus) gpus_[at(gpu)].drained = out_of_service;
}

void Model::clear() {
  // Those inside of another one first.
  std::vector<int> clients = holders_;
  std::stable_sort(clients.begin(), clients.end(), [&](int a, int b) {
    const auto depth = [&](int client) {
      return clients_of(entries_.at(client).request.id).size();
    };
    return depth(a) > depth(b);
  });
  for (const int client : clients) end(client, now_, EndReason::Cleared);
  for (const int client : queue_) {
    cancelled_.push_back({client, entries_.at(client).request.last_heartbeat});
  }
  queue_.clear();
}

// ---- What the store has lost

void Model::lose(const Model& older) {
  gpus_ = older.gpus_;
  queue_ = older.queue_;
  cancelled_ = older.cancelled_;
  holders_ = older.holders_;
  spans_ = older.spans_;
  inner_records_ = older.inner_records_;
  next_arrival_ = older.next_arrival_;
  policy_ = older.policy_;
  for (auto& [client, entry] : entries_) {
    const auto then = older.entries_.find(client);
    if (then == older.entries_.end()) {
      entry.held.reset();
      entry.endings.clear();
    } else {
      entry = then->second;
    }
  }
}

std::optional<Reservation> Model::to_restore(int client, const Reservation& own,
                                             bool is_alive) const {
  Reservation back = own;
  for (const UsageRecord& record : entries_.at(client).endings) {
    // Another grant to the same request may have ended. What ended before its start, which moves
    // when it comes back, is not read.
    if (record.grant != own.grant || record.ended < own.started.wall) continue;
    // Else it was given up for dead by those who could not see that it lives.
    if (record.end != EndReason::Lost || !is_alive) return std::nullopt;
    back.started.wall = std::max(back.started.wall, record.ended);
  }
  return back;
}

bool Model::is_known(int client, const Reservation& own) const {
  const Entry* entry = holding(client);
  return entry != nullptr && entry->held->grant == own.grant &&
         entry->held->supervisor == own.supervisor && all_gpus(*entry->held) == all_gpus(own);
}

bool Model::is_whole(int client, const Reservation& own) const {
  const std::vector<int> all = all_gpus(own);
  return std::all_of(all.begin(), all.end(), [&](int gpu) { return may_have(client, own, gpu); });
}

void Model::restore(int client, const Reservation& own, int supervisor) {
  leave(client);
  forget(client);
  Entry& entry = entries_.at(client);
  entry.supervisor = supervisor;
  Reservation held = own;
  held.gpus.clear();
  held.lost = all_gpus(own);
  for (const int gpu : all_gpus(own)) {
    if (!may_have(client, held, gpu)) continue;
    std::erase(held.lost, gpu);
    held.gpus.push_back(gpu);
    gpus_[at(gpu)].known.reset();
  }
  entry.held = std::move(held);
  // What was extended since its owner read of it is lost as well.
  const Duration asked = entry.request.duration.value_or(Duration::zero());
  entry.extended = Duration::zero();
  if (own.ends) entry.extended = std::max(*own.ends - own.started.wall - asked, Duration::zero());
  holders_.push_back(client);
  for (const int gpu : entry.held->gpus) find_owner(gpu);
}

// Rule 14, and what `release` says of runs.
bool Model::release(std::uint32_t uid, bool admin, const std::vector<int>& gpus, bool labelled,
                    bool runs) {
  for (const int gpu : gpus) {
    if (at(gpu) >= gpus_.size()) return false;
    if (gpus_[at(gpu)].owner == kNobody) continue;  // there is nothing to give back
    const Reservation& reservation = *entries_.at(gpus_[at(gpu)].owner).held;
    if (!admin && reservation.account.uid != uid) return false;
    if (reservation.kind == ReservationKind::Run && !runs) return false;
    // A run inside leaves with all its GPUs or with none.
    for (const int client : holders_) {
      const std::vector<int>& inner = entries_.at(client).held->gpus;
      const bool is_inside = reservation.kind == ReservationKind::Manual && holds(inner, gpu) &&
                             outer(client) != kNobody;
      const auto is_named = [&](int other) { return holds(gpus, other); };
      if (is_inside && !std::all_of(inner.begin(), inner.end(), is_named)) return false;
    }
  }
  std::vector<std::pair<int, std::vector<int>>> chosen;
  for (const int client : holders_) {
    const Reservation& reservation = *entries_.at(client).held;
    if (outer(client) != kNobody && !runs) continue;
    // A run ends with all that is inside of it now, whatever was made there.
    const int around = outermost(client);
    const auto is_around = [&](int gpu) {
      return at(gpu) < gpus_.size() && gpus_[at(gpu)].owner == around;
    };
    const bool is_part = around != client &&
                         entries_.at(around).held->kind == ReservationKind::Run &&
                         std::any_of(gpus.begin(), gpus.end(), is_around);
    std::vector<int> mine;
    for (const int gpu : reservation.gpus) {
      if (gpus.empty() || holds(gpus, gpu) || is_part) mine.push_back(gpu);
    }
    const bool is_meant = !gpus.empty() || (reservation.account.uid == uid &&
                                            (reservation.kind == ReservationKind::Manual || runs) &&
                                            (!labelled || reservation.label == "x"));
    if (is_meant && (gpus.empty() || !mine.empty())) chosen.emplace_back(client, mine);
  }
  for (const auto& [client, mine] : chosen) {
    if (entries_.at(client).held->kind == ReservationKind::Run) {
      mark_ending(client, EndReason::Killed, Account{uid, fmt::format("u{}", uid)});
    } else {
      end_on(client, mine, now_, EndReason::Released);
    }
  }
  return true;
}

bool Model::extend(std::uint32_t uid, bool admin, const std::vector<int>& gpus, Duration by) {
  std::vector<int> chosen;
  for (const int gpu : gpus) {
    if (at(gpu) >= gpus_.size() || gpus_[at(gpu)].owner == kNobody) return false;
    const int owner = gpus_[at(gpu)].owner;
    const Reservation& reservation = *entries_.at(owner).held;
    if (!admin && reservation.account.uid != uid) return false;
    if (reservation.kind == ReservationKind::Run) return false;
    if (!holds(chosen, owner)) chosen.push_back(owner);
  }
  if (gpus.empty()) {
    for (const int client : holders_) {
      const Reservation& reservation = *entries_.at(client).held;
      if (reservation.account.uid == uid && reservation.kind == ReservationKind::Manual)
        chosen.push_back(client);
    }
  }
  const auto longest = limits_on({uid, fmt::format("u{}", uid)}).duration;
  for (const int client : chosen) {
    const Reservation& one = *entries_.at(client).held;
    if (!admin && longest && *one.ends + by - one.started.wall > *longest) return false;
  }
  for (const int client : chosen) {
    *entries_.at(client).held->ends += by;
    entries_.at(client).extended += by;
    entries_.at(client).until += by;
  }
  return !chosen.empty();
}

bool Model::cancel(std::uint32_t uid, bool admin, int client) {
  const Entry* entry = waiting(client);
  if (entry == nullptr || (!admin && entry->request.account.uid != uid)) return false;
  leave(client);
  cancelled_.push_back({client, entry->request.last_heartbeat});
  return true;
}

bool Model::acknowledge_cancelled(int client) {
  return std::erase_if(cancelled_, [&](const Unnoticed& one) { return one.client == client; }) > 0;
}

}  // namespace chg::sim
