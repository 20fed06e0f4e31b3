#include "sim/model.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/indices.h"
#include "sim/lineage.h"
#include "sim/violation.h"

namespace chg::sim {
namespace {

// Rule 6: all that it asks for can be seen where it was made.
bool can_see_enough(const Request& request) {
  if (!request.visible) return true;
  const std::vector<int>& named = request.gpu_ids;
  if (named.empty()) return request.visible->size() >= at(request.count);
  return std::all_of(named.begin(), named.end(),
                     [&](int gpu) { return holds(*request.visible, gpu); });
}

bool asks_for(const Request& request, int gpu) {
  if (!request.gpu_ids.empty() && !holds(request.gpu_ids, gpu)) return false;
  return !request.visible || holds(*request.visible, gpu);
}

}  // namespace

Model::Model(const Machine& machine, int gpus, AllocationPolicy policy)
    : machine_(machine), gpus_(at(gpus)) {
  policy_.allocation = policy;
}

const Entry* Model::waiting(int client) const {
  return holds(queue_, client) ? &entries_.at(client) : nullptr;
}

const Entry* Model::holding(int client) const {
  return holds(holders_, client) ? &entries_.at(client) : nullptr;
}

// Rule 11: a heartbeat never overrules what can be seen, and who can't tell says nothing.
bool Model::is_dead(int process, const Instant& heartbeat, const Place& place) const {
  if (!place.can_judge()) return false;
  const Process& one = *machine_.find(process);
  const bool is_here = one.space == place.space && !one.is_in_own_time;
  if (one.boot == machine_.boot() && is_here) {
    // Where it is hidden, another process may have its pid.
    return !one.alive && machine_.is_seen(one, place);
  }
  // The boot clock shows less than before: it has begun anew.
  if (!machine_.is_of_this_boot(heartbeat) && machine_.now().boot < heartbeat.boot) return true;
  return machine_.now().boot - heartbeat.boot > policy_.heartbeat_timeout;
}

// By the boot clock, which began anew where it shows less.
bool Model::is_ago(const Instant& then, Duration time) const {
  if (!machine_.is_of_this_boot(then) && machine_.now().boot < then.boot) return true;
  return machine_.now().boot - then.boot >= time;
}

// What no client may do, whatever it believes: nobody loses GPUs while he may still need them.
void Model::require_over(int client, EndReason end, const Place& place) const {
  const Entry& entry = entries_.at(client);
  const Reservation& reservation = *entry.held;
  if (end == EndReason::Expired) {
    const bool same_boot = machine_.is_of_this_boot(reservation.started);
    if (same_boot && machine_.now().boot < entry.until)
      throw Violation("cut short", reservation.id);
    return;
  }
  if (!machine_.is_alive(entry.process)) return;
  const Duration silent = machine_.now().boot - reservation.last_heartbeat.boot;
  const bool is_seen = machine_.is_seen(*machine_.find(entry.process), place);
  if (is_seen || silent <= policy_.heartbeat_timeout)
    throw Violation("ended while it lives", reservation.id);
}

// ---- What is over

std::vector<int> Model::job_on_gpus(int client, const Sighting& sighting) const {
  std::vector<int> found;
  const Reservation& reservation = *entries_.at(client).held;
  for (const int gpu : reservation.gpus) {
    for (const int key : sighting.gpus[at(gpu)].counted(policy_).keys) {
      const Process& process = *machine_.find(key);
      const bool is_of_job =
          process.job == client ||
          (!process.carried.empty() && is_made_inside(process.carried, reservation.id));
      const bool belongs =
          process.hides_environment ? process.uid == reservation.account.uid : is_of_job;
      if (belongs && !holds(found, key)) found.push_back(key);
    }
  }
  return found;
}

// Rules 8 and 11.
std::optional<Model::Ending> Model::ending_of_run(int client, Entry& entry, const Place& place,
                                                  const Sighting* sighting) {
  Reservation& reservation = *entry.held;
  if (!is_dead(entry.process, reservation.last_heartbeat, place)) return std::nullopt;
  const Instant& now = now_;
  const EndReason end = reservation.ending.value_or(EndReason::Lost);
  const Process& command = *machine_.find(entry.process);
  const bool is_seen = machine_.is_seen(command, place);
  // When it ended can't be known; its last sign of life is.
  if (!is_seen) {
    if (command.boot == machine_.boot()) ++ended_by_heartbeat_;
    return Ending{client, reservation.last_heartbeat, end};
  }
  if (entry.supervisor == kNobody) return Ending{client, now, end};
  const bool is_silent = now.boot - reservation.last_heartbeat.boot > policy_.heartbeat_timeout;
  if (machine_.may_act(entry.supervisor, place) && !is_silent) return std::nullopt;
  // From here on somebody has to look at what the job has left.
  if (sighting == nullptr ||
      machine_.is_earlier(sighting->observation.taken, reservation.started)) {
    return std::nullopt;
  }
  for (const int gpu : reservation.gpus) {
    const Seen& seen = sighting->gpus[at(gpu)];
    if (!seen.is_readable() || !seen.owners_known) return std::nullopt;
  }
  reservation.leftovers.clear();
  for (const int key : job_on_gpus(client, *sighting)) {
    if (!machine_.may_live(*machine_.find(key), place)) continue;
    reservation.leftovers.push_back(machine_.identity_from(*machine_.find(key), sighting->place));
  }
  if (!reservation.leftovers.empty()) {
    ++kept_for_leftovers_;
    return std::nullopt;
  }
  return Ending{client, now, end};
}

std::optional<Instant> expiry_of(const Reservation& reservation, const Instant& now) {
  if (!reservation.ends || *reservation.ends > now.wall) return std::nullopt;
  Duration since = now.wall - *reservation.ends;
  const Instant& granted = reservation.started;
  // Another boot id alone is no reboot.
  const bool has_booted = granted.boot_id != now.boot_id &&
                          (now.boot < granted.boot || granted.wall < now.wall - now.boot);
  if (!has_booted) {
    const Duration lasted = now.boot - granted.boot;
    const Duration asked = *reservation.ends - granted.wall;
    if (lasted < asked) return std::nullopt;
    since = std::min(since, lasted - asked);
  }
  return Instant{*reservation.ends, now.boot - since, now.boot_id};
}

std::optional<Model::Ending> Model::ending_of(int client, Entry& entry, const Place& place,
                                              const Sighting* sighting) {
  const Reservation& reservation = *entry.held;
  if (reservation.kind == ReservationKind::Run)
    return ending_of_run(client, entry, place, sighting);
  const Instant& now = now_;
  // Rule 10.
  if (const auto expiry = expiry_of(reservation, now)) {
    return Ending{client, *expiry, EndReason::Expired};
  }
  if (reservation.holder && is_dead(entry.process, reservation.last_heartbeat, place)) {
    return Ending{client, now, EndReason::Lost};
  }
  return std::nullopt;
}

void Model::reap(const Place& place, const Sighting* sighting) {
  if (!place.can_judge()) return;
  std::vector<Ending> over;
  for (const int client : holders_) {
    if (auto ending = ending_of(client, entries_.at(client), place, sighting)) {
      over.push_back(std::move(*ending));
    }
  }
  std::stable_sort(over.begin(), over.end(), [&](const Ending& a, const Ending& b) {
    const auto depth = [&](int client) {
      return clients_of(entries_.at(client).request.id).size();
    };
    return depth(a.client) > depth(b.client);
  });
  for (const Ending& ending : over) {
    require_over(ending.client, ending.end, place);
    end(ending.client, ending.at, ending.end);
  }
}

// Rule 12: seconds for those that are seen to be stopped, a minute for all others.
void Model::pass_on_untaken(const Place& place) {
  if (!place.can_judge()) return;
  std::vector<int> untaken;
  for (const int client : holders_) {
    const Entry& entry = entries_.at(client);
    if (!entry.held->request) continue;
    const Process& waiter = *machine_.find(entry.process);
    const bool is_stopped = waiter.alive && waiter.stopped && machine_.is_seen(waiter, place);
    const auto patience = std::chrono::seconds(is_stopped ? 10 : 60);
    if (is_ago(entry.held->started, patience)) untaken.push_back(client);
  }
  for (const int client : untaken) {
    ++passed_on_;
    Request& request = entries_.at(client).request;
    request = *entries_.at(client).held->request;
    request.passed_over = true;
    free(client);
    take_place(client);
  }
}

void Model::drop_gone_waiters(const Place& place) {
  std::erase_if(queue_, [&](int client) {
    const Entry& entry = entries_.at(client);
    return is_dead(entry.process, entry.request.last_heartbeat, place);
  });
  std::erase_if(cancelled_, [&](const Unnoticed& one) {
    return is_dead(entries_.at(one.client).process, one.heartbeat, place);
  });
}

void Model::end(int client, const Instant& at, EndReason end) {
  const std::vector<int> gpus = entries_.at(client).held->gpus;
  end_on(client, gpus, at, end);
}

void Model::end_on(int client, const std::vector<int>& gpus, const Instant& when, EndReason end) {
  Reservation& reservation = *entries_.at(client).held;
  Instant ended = when;
  ended.wall = std::max(ended.wall, reservation.started.wall);
  const std::string within = this->within(client);
  const std::vector<int> inner = inner_clients();
  for (const int gpu : gpus) {
    std::erase(reservation.gpus, gpu);
    ModelGpu& one = gpus_[at(gpu)];
    if (within.empty()) {
      one.released = ended;
      one.used_by[reservation.account.uid] = ended.wall;
    }
    expected_.push_back({reservation.id, gpu, reservation.account, reservation.label,
                         reservation.kind, reservation.started.wall, ended.wall, end,
                         reservation.grant, within});
  }
  // Without a GPU of its own it leaves no record, and nobody can know that it was ended.
  if (!gpus.empty()) entries_.at(client).endings.push_back(expected_.back());
  if (reservation.gpus.empty()) {
    // Rule 24: its waiter must not come back.
    const bool on_purpose = end == EndReason::Released || end == EndReason::Cleared;
    if (on_purpose && reservation.request) {
      cancelled_.push_back({client, reservation.last_heartbeat});
    }
    free(client);
  }
  for (const int gpu : gpus) find_owner(gpu);
  go_on_alone(inner, ended.wall);
}

// The reservation is no more, whatever that leaves behind.
void Model::free(int client) {
  Entry& entry = entries_.at(client);
  const std::vector<int> gpus = entry.held->gpus;
  entry.held.reset();
  std::erase(holders_, client);
  for (const int gpu : gpus) find_owner(gpu);
}

// ---- What is seen

void Model::observe(const Sighting& sighting) {
  const Instant& taken = sighting.observation.taken;
  for (std::size_t gpu = 0; gpu < gpus_.size(); ++gpu) {
    ModelGpu& one = gpus_[gpu];
    const Seen& seen = sighting.gpus[gpu];
    if (one.owner != kNobody) {
      one.known.reset();
      continue;
    }
    if (!seen.is_listed && sighting.observation.is_partial) continue;
    // What is older than the last thing that happened to the GPU says nothing of it.
    if (one.released && machine_.is_earlier(taken, *one.released)) continue;
    if (one.known && machine_.is_earlier(taken, one.known->seen)) continue;
    const Seen::Use use = seen.use(policy_);
    if (use == Seen::Use::Free) {
      one.known.reset();
      continue;
    }
    Known known;
    known.broken = use == Seen::Use::Broken;
    known.users_known = !known.broken && seen.users_known(policy_);
    if (known.users_known) known.uids = seen.counted(policy_).uids;
    known.seen = taken;
    one.known = known;
  }
}

// ---- Who gets what

bool Model::may_use(const Request& request, int gpu) const {
  const ModelGpu& one = gpus_[at(gpu)];
  if (one.drained || request.passed_over || !asks_for(request, gpu)) return false;
  if (!one.known) return true;
  return request.force && one.known->users_known &&
         one.known->uids == std::vector<std::uint32_t>{request.account.uid};
}

// Rule 5: nobody gets a GPU while one that is to be preferred is left.
void Model::require_preferred(const Request& request, const std::vector<int>& chosen,
                              const std::vector<int>& usable) const {
  const auto rank = [&](int gpu) {
    const ModelGpu& one = gpus_[at(gpu)];
    const auto own = one.used_by.find(request.account.uid);
    const bool is_own =
        policy_.allocation == AllocationPolicy::MostRecentlyPerUser && own != one.used_by.end();
    return std::tuple(is_own ? 0 : 1, is_own ? -own->second.time_since_epoch().count() : 0,
                      one.released ? 1 : 0, one.released ? one.released->wall : WallTime{}, gpu);
  };
  std::optional<decltype(rank(0))> worst;
  for (const int gpu : chosen) worst = worst ? std::max(*worst, rank(gpu)) : rank(gpu);
  for (const int gpu : usable) {
    if (holds(chosen, gpu) || rank(gpu) > *worst) continue;
    throw Violation("preference",
                    fmt::format("{} got {}, and not GPU {}", request.id, chosen, gpu));
  }
}

void Model::take_over_grant(int client, const Reservation& made, const std::vector<int>& usable,
                            int server) {
  Entry& entry = entries_.at(client);
  const Request& request = entry.request;
  if (made.gpus.size() != at(request.count)) {
    throw Violation("all-or-nothing", fmt::format("{} asked for {} GPUs and got {}", request.id,
                                                  request.count, made.gpus));
  }
  for (const int gpu : made.gpus) {
    if (!holds(usable, gpu)) {
      throw Violation("not to be had",
                      fmt::format("{} got GPU {}; free for it were {}", request.id, gpu, usable));
    }
  }
  if (server == kNobody) {
    require_preferred(request, made.gpus, usable);
    const auto limit = limits_on(request.account).gpus;
    const auto total = taken()[request.account.uid] + request.count;
    if (limit && total > *limit) throw Violation("beyond the limit", request.id);
  } else {
    ++inside_;
    if (outer(server) != kNobody) ++deeper_;
  }
  Reservation reservation;
  if (!grants_.emplace(client, made.grant).second) throw Violation("serial twice", request.id);
  reservation.id = request.id;
  reservation.grant = made.grant;
  reservation.account = request.account;
  reservation.label = request.label;
  reservation.note = request.note;
  reservation.kind = request.kind;
  reservation.gpus = made.gpus;
  std::sort(reservation.gpus.begin(), reservation.gpus.end());
  reservation.started = reservation.last_heartbeat = now_;
  if (request.duration) reservation.ends = now_.wall + *request.duration;
  entry.until = machine_.now().boot + request.duration.value_or(Duration::zero());
  reservation.holder = machine_.identity(entry.process);
  reservation.request = request;
  for (const int gpu : reservation.gpus) gpus_[at(gpu)].known.reset();
  entry.held = std::move(reservation);
  entry.extended = Duration::zero();
  holders_.push_back(client);
  for (const int gpu : entry.held->gpus) find_owner(gpu);
}

// Rule 23: before anybody else gets them.
void Model::reclaim_lost_gpus(const Pool& pool) {
  const auto may_take = [&](int client, int gpu) {
    return may_have(client, *entries_.at(client).held, gpu);
  };
  // Again, for those inside of one that has got some.
  for (bool is_any = true; is_any;) {
    is_any = false;
    for (const int client : holders_) {
      Reservation& reservation = *entries_.at(client).held;
      const std::vector<int> lost = reservation.lost;
      for (const int gpu : lost) {
        // Where several have lost it, any of them may have it.
        const Reservation* now = find_reservation(pool, reservation.id);
        if (now == nullptr || !holds(now->gpus, gpu) || !may_take(client, gpu)) continue;
        gpus_[at(gpu)].known.reset();
        std::erase(reservation.lost, gpu);
        reservation.gpus.insert(
            std::upper_bound(reservation.gpus.begin(), reservation.gpus.end(), gpu), gpu);
        find_owner(gpu);
        ++returned_;
        is_any = true;
      }
    }
  }
  for (const int client : holders_) {
    for (const int gpu : entries_.at(client).held->lost) {
      if (may_take(client, gpu)) throw Violation("stays lost", fmt::format("GPU {}", gpu));
    }
  }
}

void Model::schedule(const Place& place, const Pool& pool,
                     const std::vector<std::string>& granted) {
  reclaim_lost_gpus(pool);
  // Again, where one that was granted has a request inside of it: that holds its GPUs there now.
  std::size_t done = 0;
  for (bool is_again = true; is_again;) {
    std::vector<std::string> latest(granted.begin() + static_cast<std::ptrdiff_t>(done),
                                    granted.end());
    const std::size_t served = serve_queue(place, pool, latest);
    latest.resize(served);
    done += served;
    is_again = is_any_made_inside(latest);
  }
  if (done != granted.size()) throw Violation("grant of nobody", granted[done]);
}

bool Model::is_any_made_inside(const std::vector<std::string>& ids) const {
  return std::any_of(queue_.begin(), queue_.end(), [&](int client) {
    return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
      return is_made_inside(entries_.at(client).request.id, id);
    });
  });
}

// Walks the queue once. `granted`: by this walk, or by those that follow. Returns how many by this.
std::size_t Model::serve_queue(const Place& place, const Pool& pool,
                               const std::vector<std::string>& granted) {
  std::vector<int> free;
  for (std::size_t gpu = 0; gpu < gpus_.size(); ++gpu) {
    if (gpus_[gpu].owner == kNobody) free.push_back(static_cast<int>(gpu));
  }
  std::size_t next = 0;  // of `granted`
  const auto is_followed = [&] {
    const auto end = granted.begin() + static_cast<std::ptrdiff_t>(next);
    return is_any_made_inside({granted.begin(), end});
  };
  std::vector<int> left;
  std::vector<int> usable;
  std::map<std::uint32_t, int> taken_by = taken();
  std::map<int, int> servers;
  std::map<int, std::vector<int>> rooms;
  for (const int client : queue_) {
    const int server = servers[client] = server_of(entries_.at(client).request);
    if (server != kNobody) rooms[server] = free_in(server);
  }
  for (const int client : queue_) {
    const Entry& entry = entries_.at(client);
    const Request& request = entry.request;
    const int server = servers[client];
    const bool is_inner = server != kNobody;
    const bool may_have = !request.passed_over && (is_inner || !is_beyond(request, taken_by)) &&
                          can_see_enough(request);
    const bool is_granted = next < granted.size() && granted[next] == request.id;
    if (!is_granted && !is_inner && free.empty()) {
      const bool is_dropped = find_request(pool, request.id) == nullptr;
      if (is_dropped && is_dead(entry.process, request.last_heartbeat, place)) {
        taken_by[request.account.uid] -= request.count;
        continue;
      }
      left.push_back(client);
      continue;
    }
    if (is_dead(entry.process, request.last_heartbeat, place)) {
      if (is_granted) throw Violation("dead waiter served", request.id);
      if (find_request(pool, request.id) != nullptr) {
        left.push_back(client);
      } else if (!policy_.limits.empty() && !is_inner) {
        taken_by[request.account.uid] -= request.count;
      }
      continue;
    }
    usable.clear();
    for (const int gpu : is_inner ? rooms[server] : free) {
      const bool is_usable = is_inner ? asks_for(request, gpu) : may_use(request, gpu);
      if (may_have && is_usable) usable.push_back(gpu);
    }
    // Inside a reservation none is preferred to another, but by its number.
    if (is_inner) usable.resize(std::min(usable.size(), at(request.count)));
    const bool fits = usable.size() >= at(request.count);
    if (fits && !is_granted) {
      throw Violation("left waiting",
                      fmt::format("{} could have {} of {}", request.id, request.count, usable));
    }
    const bool is_for_now = fits && is_granted;
    if (!fits && is_granted && !is_followed()) {
      throw Violation("overtaken", fmt::format("{} was granted {}, and may have {}", request.id,
                                               find_reservation(pool, request.id)->gpus, usable));
    }
    if (is_for_now) {
      ++next;
      take_over_grant(client, *find_reservation(pool, request.id), usable, server);
      usable = entries_.at(client).held->gpus;
    } else {
      left.push_back(client);
    }
    std::erase_if(is_inner ? rooms[server] : free, [&](int gpu) { return holds(usable, gpu); });
  }
  queue_ = std::move(left);
  return next;
}

std::vector<std::vector<int>> Model::held() const {
  std::vector<int> free;
  for (std::size_t gpu = 0; gpu < gpus_.size(); ++gpu) {
    if (gpus_[gpu].owner == kNobody) free.push_back(static_cast<int>(gpu));
  }
  std::vector<std::vector<int>> all;
  std::map<std::uint32_t, int> taken_by = taken();
  std::map<int, std::vector<int>> rooms;
  for (const int client : queue_) {
    std::vector<int>& mine = all.emplace_back();
    const Request& request = entries_.at(client).request;
    if (const int server = server_of(request); server != kNobody) {
      std::vector<int>& room = rooms.try_emplace(server, free_in(server)).first->second;
      for (const int gpu : room) {
        const bool is_usable = !request.passed_over && can_see_enough(request) &&
                               mine.size() < at(request.count) && asks_for(request, gpu);
        if (is_usable) mine.push_back(gpu);
      }
      std::erase_if(room, [&](int gpu) { return holds(mine, gpu); });
      continue;
    }
    if (request.passed_over || is_beyond(request, taken_by) || !can_see_enough(request)) continue;
    for (const int gpu : free) {
      if (may_use(request, gpu)) mine.push_back(gpu);
    }
    std::erase_if(free, [&](int gpu) { return holds(mine, gpu); });
  }
  return all;
}

}  // namespace chg::sim
