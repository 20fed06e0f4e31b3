// What a request may ask for: what can be seen where it is made, and what the policy allows.
#include <algorithm>

#include "sim/indices.h"
#include "sim/model.h"

namespace chg::sim {

// Each bound by itself: the account's own before everybody's. There are no groups here.
Limits Model::limits_on(const Account& account) const {
  Limits result;
  for (const std::string& subject : {"user." + account.name, std::string()}) {
    for (const Limits& one : policy_.limits) {
      if (one.subject != subject) continue;
      if (!result.gpus) result.gpus = one.gpus;
      if (!result.duration) result.duration = one.duration;
      if (!result.timeout) result.timeout = one.timeout;
      if (!result.requests) result.requests = one.requests;
    }
  }
  return result;
}

std::map<std::uint32_t, int> Model::taken() const {
  std::map<std::uint32_t, int> taken;
  for (const int client : holders_) {
    const Reservation& held = *entries_.at(client).held;
    if (outer(client) != kNobody) continue;
    taken[held.account.uid] += static_cast<int>(held.gpus.size());
  }
  return taken;
}

bool Model::is_beyond(const Request& request, std::map<std::uint32_t, int>& taken) const {
  if (policy_.limits.empty()) return false;
  const auto allowed = limits_on(request.account).gpus;
  const int total = taken[request.account.uid] += request.count;
  return allowed && total > *allowed;
}

bool Model::accepts(Request& request) const {
  const std::vector<int>& named = request.gpu_ids;
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (named[i] < 0 || at(named[i]) >= gpus_.size()) return false;
    if (i > 0 && named[i - 1] == named[i]) return false;
  }
  const bool matches = named.empty() || named.size() == at(request.count);
  if (request.count < 1 || at(request.count) > gpus_.size() || !matches) return false;
  if (request.arrival != 0) return true;
  const auto& visible = request.visible;
  const auto is_unseen = [&](int gpu) { return !holds(*visible, gpu); };
  if (visible && named.empty() && visible->size() < at(request.count)) return false;
  if (visible && std::any_of(named.begin(), named.end(), is_unseen)) return false;
  if (!has_room_inside(request)) return false;
  const Limits limits = limits_on(request.account);
  const bool is_inner = server_of(request) != kNobody;
  if (!is_inner && limits.gpus && request.count > *limits.gpus) return false;
  const bool is_run = request.kind == ReservationKind::Run;
  if (is_run && !request.duration) {
    request.duration = policy_.default_timeout ? policy_.default_timeout : limits.timeout;
    if (limits.timeout && *request.duration > *limits.timeout) request.duration = limits.timeout;
  }
  const auto& longest = is_run ? limits.timeout : limits.duration;
  return !longest || *request.duration <= *longest;
}

bool Model::is_one_too_many(const Request& request) const {
  const auto allowed = limits_on(request.account).requests;
  const auto is_own = [&](int client) {
    return entries_.at(client).request.account == request.account;
  };
  return allowed && std::count_if(queue_.begin(), queue_.end(), is_own) > *allowed;
}

std::optional<std::vector<int>> Model::visible(const Sighting& sighting) {
  if (!sighting.observation.is_partial) return std::nullopt;
  std::vector<int> seen;
  for (std::size_t gpu = 0; gpu < sighting.gpus.size(); ++gpu) {
    if (sighting.gpus[gpu].is_listed) seen.push_back(static_cast<int>(gpu));
  }
  if (seen.size() == sighting.gpus.size()) return std::nullopt;
  return seen;
}

void Model::note_visible(int client, const Sighting& sighting) {
  if (waiting(client) != nullptr) entries_.at(client).request.visible = visible(sighting);
}

}  // namespace chg::sim
