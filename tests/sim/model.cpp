#include "sim/model.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/violation.h"

namespace chg::sim {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

bool holds(const std::vector<int>& items, int item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

int client_of(const std::string& id) { return std::stoi(id.substr(1)); }

}  // namespace

Model::Model(const Machine& machine, int gpus, Policy policy)
    : machine_(machine), policy_(policy), gpus_(at(gpus)) {}

const Entry* Model::waiting(int client) const {
  return holds(queue_, client) ? &entries_.at(client) : nullptr;
}

const Entry* Model::holding(int client) const {
  return holds(holders_, client) ? &entries_.at(client) : nullptr;
}

// Rule 11: a heartbeat never overrules what can be seen.
bool Model::is_dead(int process, const Instant& heartbeat, int space) const {
  const Process& one = *machine_.find(process);
  if (one.boot != machine_.boot()) return true;
  if (one.space == space) return !one.alive;
  return machine_.now().boot - heartbeat.boot > settings_.heartbeat_timeout;
}

// ---- What is over

std::vector<int> Model::job_on_gpus(int client, const Sighting& sighting) const {
  std::vector<int> found;
  const Reservation& held = *entries_.at(client).held;
  for (const int gpu : held.gpus) {
    for (const int key : sighting.gpus[at(gpu)].processes) {
      const Process& process = *machine_.find(key);
      const bool belongs =
          process.hides_environment ? process.uid == held.account.uid : process.job == client;
      if (belongs && !process.hides_owner && !holds(found, key)) found.push_back(key);
    }
  }
  return found;
}

// Rules 8 and 11.
std::optional<Model::Ending> Model::ending_of_run(int client, Entry& entry, int space,
                                                  const Sighting* sighting) {
  Reservation& held = *entry.held;
  if (!is_dead(entry.process, held.last_heartbeat, space)) return std::nullopt;
  const Instant& now = machine_.now();
  const End end = held.ending.value_or(End::Lost);
  const Process& command = *machine_.find(entry.process);
  const bool is_seen = command.boot == machine_.boot() && command.space == space;
  // When it ended can't be known; its last sign of life is.
  if (!is_seen) {
    if (command.boot == machine_.boot()) ++ended_by_heartbeat_;
    return Ending{client, held.last_heartbeat, end};
  }
  if (entry.supervisor == kNobody) return Ending{client, now, end};
  const bool is_silent = now.boot - held.last_heartbeat.boot > settings_.heartbeat_timeout;
  if (machine_.can_act(entry.supervisor) && !is_silent) return std::nullopt;
  // From here on somebody has to look at what the job has left.
  if (sighting == nullptr || machine_.is_earlier(sighting->observation.taken, held.started)) {
    return std::nullopt;
  }
  for (const int gpu : held.gpus) {
    if (!sighting->gpus[at(gpu)].readable) return std::nullopt;
  }
  held.leftovers.clear();
  for (const int key : job_on_gpus(client, *sighting)) {
    if (!machine_.is_alive(key)) continue;
    held.leftovers.push_back(machine_.identity_from(*machine_.find(key), sighting->space));
  }
  if (!held.leftovers.empty()) {
    ++kept_for_leftovers_;
    return std::nullopt;
  }
  return Ending{client, now, end};
}

std::optional<Model::Ending> Model::ending_of(int client, Entry& entry, int space,
                                              const Sighting* sighting) {
  const Reservation& held = *entry.held;
  if (held.kind == Kind::Run) return ending_of_run(client, entry, space, sighting);
  const Instant& now = machine_.now();
  // Rule 10.
  if (held.ends && *held.ends <= now.wall) {
    return Ending{
        client, {*held.ends, now.boot - (now.wall - *held.ends), now.boot_id}, End::Expired};
  }
  if (held.holder && is_dead(entry.process, held.last_heartbeat, space)) {
    return Ending{client, now, End::Lost};
  }
  return std::nullopt;
}

void Model::reap(int space, const Sighting* sighting) {
  std::vector<Ending> over;
  for (const int client : holders_) {
    if (auto ending = ending_of(client, entries_.at(client), space, sighting)) {
      over.push_back(std::move(*ending));
    }
  }
  for (const Ending& ending : over) end(ending.client, ending.at, ending.end);
}

void Model::drop_gone_waiters(int space) {
  std::erase_if(queue_, [&](int client) {
    const Entry& entry = entries_.at(client);
    return is_dead(entry.process, entry.request.last_heartbeat, space);
  });
}

void Model::end(int client, const Instant& at, End end) {
  const std::vector<int> gpus = entries_.at(client).held->gpus;
  end_on(client, gpus, at, end);
}

void Model::end_on(int client, const std::vector<int>& gpus, const Instant& when, End end) {
  Reservation& held = *entries_.at(client).held;
  Instant ended = when;
  ended.wall = std::max(ended.wall, held.started.wall);
  for (const int gpu : gpus) {
    std::erase(held.gpus, gpu);
    ModelGpu& one = gpus_[at(gpu)];
    one.owner = kNobody;
    one.released = ended;
    one.used_by[held.account.uid] = ended.wall;
    expected_.push_back(
        {held.id, gpu, held.account, held.label, held.kind, held.started.wall, ended.wall, end});
  }
  if (held.gpus.empty()) free(client);
}

// The reservation is no more, whatever that leaves behind.
void Model::free(int client) {
  Entry& entry = entries_.at(client);
  for (const int gpu : entry.held->gpus) gpus_[at(gpu)].owner = kNobody;
  entry.held.reset();
  std::erase(holders_, client);
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
    // What is older than the last thing that happened to the GPU says nothing of it.
    if (one.released && machine_.is_earlier(taken, *one.released)) continue;
    if (one.known && machine_.is_earlier(taken, one.known->seen)) continue;
    if (seen.use == Seen::Use::Free) {
      one.known.reset();
      continue;
    }
    Known known;
    known.broken = seen.use == Seen::Use::Broken;
    known.users_known = !known.broken && seen.users_known;
    if (known.users_known) known.uids = seen.uids;
    known.seen = taken;
    one.known = known;
  }
}

// ---- Who gets what

bool Model::may_use(const Request& request, int gpu) const {
  const ModelGpu& one = gpus_[at(gpu)];
  if (one.drained) return false;
  if (!request.gpu_ids.empty() && !holds(request.gpu_ids, gpu)) return false;
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
    const bool is_own = policy_ == Policy::MostRecentlyPerUser && own != one.used_by.end();
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

void Model::take_over_grant(int client, const Reservation& made, const std::vector<int>& usable) {
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
  require_preferred(request, made.gpus, usable);
  Reservation held;
  held.id = request.id;
  held.account = request.account;
  held.label = request.label;
  held.note = request.note;
  held.kind = request.kind;
  held.gpus = made.gpus;
  std::sort(held.gpus.begin(), held.gpus.end());
  held.started = held.last_heartbeat = machine_.now();
  if (request.duration) held.ends = machine_.now().wall + *request.duration;
  held.holder = machine_.identity(entry.process);
  for (const int gpu : held.gpus) {
    gpus_[at(gpu)].owner = client;
    gpus_[at(gpu)].known.reset();
  }
  entry.held = std::move(held);
  entry.extended = Duration::zero();
  holders_.push_back(client);
}

void Model::schedule(int space, const Pool& pool, const std::vector<std::string>& granted) {
  std::vector<int> free;
  for (std::size_t gpu = 0; gpu < gpus_.size(); ++gpu) {
    if (gpus_[gpu].owner == kNobody) free.push_back(static_cast<int>(gpu));
  }
  std::size_t next = 0;  // of `granted`
  std::vector<int> left;
  std::vector<int> usable;
  for (const int client : queue_) {
    const Entry& entry = entries_.at(client);
    const Request& request = entry.request;
    const bool is_granted = next < granted.size() && granted[next] == request.id;
    if (!is_granted && free.empty()) {
      const bool is_dropped = find_request(pool, request.id) == nullptr;
      if (is_dropped && is_dead(entry.process, request.last_heartbeat, space)) continue;
      left.push_back(client);
      continue;
    }
    if (is_dead(entry.process, request.last_heartbeat, space)) {
      if (is_granted) throw Violation("dead waiter served", request.id);
      if (find_request(pool, request.id) != nullptr) left.push_back(client);
      continue;
    }
    usable.clear();
    for (const int gpu : free) {
      if (may_use(request, gpu)) usable.push_back(gpu);
    }
    const bool fits = usable.size() >= at(request.count);
    if (fits && !is_granted) {
      throw Violation("left waiting",
                      fmt::format("{} could have {} of {}", request.id, request.count, usable));
    }
    if (!fits && is_granted) {
      throw Violation("overtaken", fmt::format("{} was granted {}, and may have {}", request.id,
                                               find_reservation(pool, request.id)->gpus, usable));
    }
    if (is_granted) {
      ++next;
      take_over_grant(client, *find_reservation(pool, request.id), usable);
      usable = entries_.at(client).held->gpus;
    } else {
      left.push_back(client);
    }
    std::erase_if(free, [&](int gpu) { return holds(usable, gpu); });
  }
  if (next != granted.size()) throw Violation("grant of nobody", granted[next]);
  queue_ = std::move(left);
}

std::vector<std::vector<int>> Model::held() const {
  std::vector<int> free;
  for (std::size_t gpu = 0; gpu < gpus_.size(); ++gpu) {
    if (gpus_[gpu].owner == kNobody) free.push_back(static_cast<int>(gpu));
  }
  std::vector<std::vector<int>> all;
  for (const int client : queue_) {
    std::vector<int>& mine = all.emplace_back();
    for (const int gpu : free) {
      if (may_use(entries_.at(client).request, gpu)) mine.push_back(gpu);
    }
    std::erase_if(free, [&](int gpu) { return holds(mine, gpu); });
  }
  return all;
}

// ---- What people change

bool Model::accepts(const Request& request) const {
  const std::vector<int>& named = request.gpu_ids;
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (named[i] < 0 || at(named[i]) >= gpus_.size()) return false;
    if (i > 0 && named[i - 1] == named[i]) return false;
  }
  const bool matches = named.empty() || named.size() == at(request.count);
  return request.count >= 1 && at(request.count) <= gpus_.size() && matches;
}

void Model::join(int client, const Request& request, int process) {
  if (entries_.count(client) > 0) throw Violation("id used twice", request.id);
  Entry entry;
  entry.request = request;
  entry.request.arrival = arrivals_++;
  entry.process = process;
  entries_.emplace(client, std::move(entry));
  queue_.push_back(client);
}

void Model::leave(int client) { std::erase(queue_, client); }

void Model::forget(int client) {
  if (holding(client) != nullptr) free(client);
}

void Model::give_back(int client, const Request& request, const Sighting& sighting) {
  // As the waiter knows it: a sign of life that it gave when it was granted may be missing.
  entries_.at(client).request.last_heartbeat = request.last_heartbeat;
  for (const int gpu : entries_.at(client).held->gpus) gpus_[at(gpu)].known.reset();
  free(client);
  const auto place = std::find_if(queue_.begin(), queue_.end(), [&](int other) {
    return entries_.at(other).request.arrival > entries_.at(client).request.arrival;
  });
  queue_.insert(place, client);
  observe(sighting);
}

void Model::claim(int client, Duration duration) {
  Reservation& held = *entries_.at(client).held;
  held.holder.reset();
  held.ends = machine_.now().wall + duration + entries_.at(client).extended;
}

void Model::attach(int client, int supervisor) {
  Entry& entry = entries_.at(client);
  entry.supervisor = supervisor;
  entry.held->supervisor = machine_.identity(supervisor);
  entry.held->last_heartbeat = machine_.now();
}

void Model::beat_request(int client) {
  entries_.at(client).request.last_heartbeat = machine_.now();
}

void Model::beat_reservation(int client) {
  entries_.at(client).held->last_heartbeat = machine_.now();
}

void Model::mark_ending(int client, End end) { entries_.at(client).held->ending = end; }

void Model::note_leftovers(int client, const std::vector<ProcessIdentity>& leftovers) {
  entries_.at(client).held->leftovers = leftovers;
}

void Model::drain(const std::vector<int>& gpus, bool out_of_service) {
  for (const int gpu : gpus) gpus_[at(gpu)].drained = out_of_service;
}

void Model::clear() {
  while (!holders_.empty()) end(holders_.front(), machine_.now(), End::Cleared);
  queue_.clear();
}

// Rule 14, and what `release` says of runs.
bool Model::release(std::uint32_t uid, bool admin, const std::vector<int>& gpus, bool labelled,
                    bool runs) {
  for (const int gpu : gpus) {
    if (at(gpu) >= gpus_.size() || gpus_[at(gpu)].owner == kNobody) return false;
    const Reservation& held = *entries_.at(gpus_[at(gpu)].owner).held;
    if (!admin && held.account.uid != uid) return false;
    if (held.kind == Kind::Run && !runs) return false;
  }
  std::vector<std::pair<int, std::vector<int>>> chosen;
  for (const int client : holders_) {
    const Reservation& held = *entries_.at(client).held;
    std::vector<int> mine;
    for (const int gpu : held.gpus) {
      if (gpus.empty() || holds(gpus, gpu)) mine.push_back(gpu);
    }
    const bool is_meant =
        !gpus.empty() || (held.account.uid == uid && (held.kind == Kind::Manual || runs) &&
                          (!labelled || held.label == "x"));
    if (is_meant && !mine.empty()) chosen.emplace_back(client, mine);
  }
  for (const auto& [client, mine] : chosen) {
    if (entries_.at(client).held->kind == Kind::Run) {
      mark_ending(client, End::Killed);
    } else {
      end_on(client, mine, machine_.now(), End::Released);
    }
  }
  return true;
}

bool Model::extend(std::uint32_t uid, bool admin, const std::vector<int>& gpus, Duration by) {
  std::vector<int> chosen;
  for (const int gpu : gpus) {
    if (at(gpu) >= gpus_.size() || gpus_[at(gpu)].owner == kNobody) return false;
    const int owner = gpus_[at(gpu)].owner;
    const Reservation& held = *entries_.at(owner).held;
    if (!admin && held.account.uid != uid) return false;
    if (held.kind == Kind::Run) return false;
    if (!holds(chosen, owner)) chosen.push_back(owner);
  }
  if (gpus.empty()) {
    for (const int client : holders_) {
      const Reservation& held = *entries_.at(client).held;
      if (held.account.uid == uid && held.kind == Kind::Manual) chosen.push_back(client);
    }
  }
  for (const int client : chosen) {
    *entries_.at(client).held->ends += by;
    entries_.at(client).extended += by;
  }
  return !chosen.empty();
}

bool Model::cancel(std::uint32_t uid, bool admin, int client) {
  const Entry* entry = waiting(client);
  if (entry == nullptr || (!admin && entry->request.account.uid != uid)) return false;
  leave(client);
  return true;
}

// ---- The pool held against all this

void Model::compare(const Pool& pool) {
  compare_queue(pool);
  compare_reservations(pool);
  for (const Gpu& gpu : pool.gpus) compare_gpu(gpu);
  compare_records(pool);
  if (pool.next_arrival != arrivals_) throw Violation("arrivals", "the count is wrong");
}

void Model::compare_queue(const Pool& pool) const {
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    if (i >= queue_.size()) throw Violation("waits", pool.queue[i].id + " waits and should not");
    const Request& expected = entries_.at(queue_[i]).request;
    if (pool.queue[i] == expected) continue;
    throw Violation("queue", fmt::format("place {} is {}'s and should be {}'s, as it asked", i + 1,
                                         pool.queue[i].id, expected.id));
  }
  if (pool.queue.size() < queue_.size()) {
    throw Violation("lost request", fmt::format("c{}", queue_[pool.queue.size()]));
  }
}

void Model::compare_reservations(const Pool& pool) const {
  for (std::size_t i = 0; i < pool.reservations.size(); ++i) {
    const Reservation& held = pool.reservations[i];
    if (i >= holders_.size()) throw Violation("not over", held.id + " goes on and should not");
    const Reservation& expected = *entries_.at(holders_[i]).held;
    if (held == expected) continue;
    if (held.id == expected.id) {
      throw Violation("reservation", held.id + " is not as it should be");
    }
    const bool is_over = client_of(held.id) < 0 || holding(client_of(held.id)) == nullptr;
    if (is_over) throw Violation("not over", held.id + " goes on and should not");
    throw Violation("lost reservation", expected.id);
  }
  if (pool.reservations.size() < holders_.size()) {
    throw Violation("lost reservation", fmt::format("c{}", holders_[pool.reservations.size()]));
  }
}

void Model::compare_gpu(const Gpu& gpu) {
  ModelGpu& expected = gpus_[at(gpu.index)];
  const auto complain = [&](const char* rule) {
    throw Violation(rule, fmt::format("GPU {} is not as it should be", gpu.index));
  };
  if (gpu.out_of_service.has_value() != expected.drained) complain("drained");
  if (gpu.last_released != expected.released) complain("released");
  if (gpu.last_used_by_uid.size() != expected.used_by.size()) complain("used by");
  if (gpu.obstacle.has_value() != expected.known.has_value()) complain("obstacle");
  if (!expected.known) return;
  Known& known = *expected.known;
  if ((gpu.obstacle->kind == Obstacle::Kind::Error) != known.broken) complain("obstacle kind");
  std::vector<std::uint32_t> uids = gpu.obstacle->uids;
  std::sort(uids.begin(), uids.end());
  if (uids != known.uids) complain("obstacle uids");
  // One that stays keeps the time of its first sight.
  if (machine_.is_earlier(known.seen, gpu.obstacle->seen)) complain("obstacle seen");
  known.seen = gpu.obstacle->seen;
}

void Model::compare_records(const Pool& pool) {
  if (pool.ended.size() != expected_.size()) {
    throw Violation("records", fmt::format("{} were written, and should be {}", pool.ended.size(),
                                           expected_.size()));
  }
  for (const UsageRecord& record : pool.ended) {
    const auto found = std::find(expected_.begin(), expected_.end(), record);
    if (found == expected_.end()) {
      throw Violation("records", fmt::format("that of {} on GPU {} is wrong", record.reservation_id,
                                             record.gpu));
    }
    spans_.push_back({found->started, found->ended});
    expected_.erase(found);
  }
}

Duration Model::used_between(WallTime from, WallTime to) const {
  Duration sum{};
  const auto add = [&](WallTime start, WallTime end) {
    sum += std::max<Duration>(std::min(end, to) - std::max(start, from), Duration::zero());
  };
  for (const Span& span : spans_) add(span.start, span.end);
  for (const int client : holders_) {
    const Reservation& held = *entries_.at(client).held;
    const bool expires = held.kind == Kind::Manual && held.ends;
    for (std::size_t i = 0; i < held.gpus.size(); ++i) {
      add(held.started.wall, expires ? *held.ends : to);
    }
  }
  return sum;
}

}  // namespace chg::sim
