#include "sim/generator.h"

#include <algorithm>

namespace chg::sim {
namespace {

Event event_of(What what) {
  Event event;
  event.what = what;
  return event;
}

bool has_leisure(const World& world, int number) {
  const Client* client = world.client(number);
  if (client == nullptr || client->phase != Client::Phase::Runs) return false;
  const Duration silent = age(client->supervisor_heartbeat, world.machine().now());
  return world.machine().is_alive(process_key(number)) && silent < std::chrono::minutes(1);
}

}  // namespace

Generator::Generator(std::uint64_t seed) : random_(seed) { setup_ = make_setup(); }

// A plain modulo: the same on every machine, and the bias is of no interest here.
int Generator::below(int limit) {
  return static_cast<int>(random_() % static_cast<std::uint64_t>(limit));
}

// Most hosts are small: that is where histories are dense, and fast.
Setup Generator::make_setup() {
  Setup setup;
  const int size = below(100);
  if (size < 60) {
    setup.gpus = 1 + below(4);
  } else if (size < 92) {
    setup.gpus = 5 + below(4);
  } else if (size < 97) {
    setup.gpus = 9 + below(8);
  } else if (size < 99) {
    setup.gpus = 17 + below(48);
  } else {
    setup.gpus = 65 + below(960);
  }
  setup.policy =
      chance(50) ? AllocationPolicy::LeastRecentlyUsed : AllocationPolicy::MostRecentlyPerUser;
  users_ = chance(30) ? 100 + below(300) : 1 + below(6);
  waiters_max_ = chance(5) ? 60 : 4 + below(10);
  has_containers_ = chance(40);
  has_liars_ = chance(50);
  return setup;
}

std::int64_t Generator::pause_ms() {
  const int kind = below(100);
  if (kind < 40) return 0;
  if (kind < 86) return below(2'000);
  if (kind < 98) return below(60'000);
  return below(400'000);
}

std::uint32_t Generator::some_uid() { return 1000 + static_cast<std::uint32_t>(below(users_)); }

// Where somebody acts. Half of the hosts have people who believe, or see, something else.
Place Generator::some_place(int percent_in_containers) {
  Place place;
  if (has_containers_ && chance(percent_in_containers)) place.space = 1 + below(kSpaces - 1);
  if (!has_liars_ || chance(50)) return place;
  if (chance(30)) {
    const int hours = chance(50) ? 24 * 10 : 2;
    place.ahead = std::chrono::seconds(below(2 * hours * 3600) - hours * 3600);
  }
  place.is_in_own_time = chance(15);
  place.is_hidden_from = chance(25);
  place.is_partial = chance(40);
  if (place.is_partial && chance(70)) place.unseen = some_gpus(setup_.gpus);
  return place;
}

std::vector<int> Generator::some_gpus(int limit) {
  std::vector<int> gpus;
  const int wanted = 1 + below(std::min(limit, chance(80) ? 3 : 8));
  for (int i = 0; i < wanted; ++i) gpus.push_back(below(setup_.gpus));
  std::sort(gpus.begin(), gpus.end());
  gpus.erase(std::unique(gpus.begin(), gpus.end()), gpus.end());
  return gpus;
}

// More often one that uses GPUs: its end is what others wait for.
int Generator::some_process(const World& world) {
  const std::vector<int>& living = world.machine().living();
  if (living.empty()) return 0;
  int key = one_of(living);
  for (int tried = 0; tried < 4 && world.machine().find(key)->gpus.empty(); ++tried) {
    key = one_of(living);
  }
  return key;
}

int Generator::some_client(const World& world) {
  return world.active().empty() ? 0 : one_of(world.active());
}

// One that could take what it was granted.
std::optional<int> Generator::some_untaken(const World& world) {
  std::vector<int> found;
  for (const int number : world.model().holders()) {
    const bool can_act = world.machine().can_act(process_key(number));
    if (can_act && world.model().entry(number).held->request) found.push_back(number);
  }
  if (found.empty()) return std::nullopt;
  return one_of(found);
}

Event Generator::next(const World& world) {
  Event event;
  if (probe_broken_ > 0 && --probe_broken_ == 0) {
    event = event_of(What::MendProbe);
  } else if (follow_ >= 0) {
    event = event_of(What::Step);
    event.who = follow_;
    follow_ = -1;
  } else {
    event = happen(world);
  }
  event.after_ms = event.what == What::Step && chance(50) ? 0 : pause_ms();
  return event;
}

Event Generator::happen(const World& world) {
  const int kind = below(1000);
  if (kind < 200) return arrive(world);
  if (kind < 720) return step(world);
  if (kind < 880) return harm(world);
  if (kind < 950) return touch_gpus(world);
  if (kind < 990) return ask(world);
  return rare(world);
}

Event Generator::arrive(const World& world) {
  Event event = event_of(What::Arrive);
  event.number = ++last_number_;
  event.uid = some_uid();
  event.place = some_place(40);
  const bool crowded = static_cast<int>(world.model().queue().size()) >= waiters_max_;
  event.flags.views = crowded || chance(20);
  event.place.sees_foreign_proc = has_liars_ && event.flags.views && chance(10);
  event.place.has_own_boot = has_liars_ && event.flags.views && chance(10);
  event.kind = chance(60) ? ReservationKind::Run : ReservationKind::Manual;
  event.count = chance(65) ? 1 : 1 + below(std::min(setup_.gpus, chance(80) ? 4 : 64));
  if (chance(30)) {
    event.gpus = some_gpus(setup_.gpus);
    event.count = static_cast<int>(event.gpus.size());
  }
  // What can never be granted.
  if (chance(2)) event.gpus.push_back(setup_.gpus + below(2));
  if (chance(2)) event.count += below(2) == 0 ? setup_.gpus : -1;
  if (!event.flags.views && chance(20)) go_inside(world, event);
  event.flags.force = chance(15);
  event.flags.nonblock = chance(15);
  event.flags.labelled = chance(20);
  event.flags.uses_gpus = chance(50);
  event.leftovers = chance(70) ? Leftovers::Keep : static_cast<Leftovers>(below(3));
  if (event.kind == ReservationKind::Manual || chance(30)) event.by_ms = 1'000 + below(600'000);
  if (chance(70)) follow_ = event.number;
  return event;
}

// A run of somebody who holds GPUs, in the job of his or on what he has reserved by hand.
void Generator::go_inside(const World& world, Event& event) {
  if (world.model().holders().empty()) return;
  event.who = one_of(world.model().holders());
  const Entry& outer = world.model().entry(event.who);
  event.uid = outer.request.account.uid;
  event.kind = ReservationKind::Run;
  event.flags.inside = outer.held->kind == ReservationKind::Run;
  event.flags.mine = !event.flags.inside && chance(60);
  event.count = chance(70) ? 1 : 1 + below(3);
  event.gpus.clear();
  const bool names_some = !outer.held->gpus.empty() && (!event.flags.mine || chance(20));
  if (!names_some || (event.flags.inside && chance(70))) return;
  event.gpus = {one_of(outer.held->gpus)};
  event.count = 1;
}

Event Generator::step(const World& world) {
  Event event = event_of(What::Step);
  event.who = some_client(world);
  // Those with nothing to do now are asked less often.
  for (int tried = 0; tried < 3 && has_leisure(world, event.who); ++tried) {
    event.who = some_client(world);
  }
  // Grants are taken soon, as a rule.
  if (const auto granted = some_untaken(world); granted && chance(70)) event.who = *granted;
  const Client* client = world.client(event.who);
  if (client == nullptr) return event;
  if (client->supervisor == Client::Supervisor::Watches ||
      client->supervisor == Client::Supervisor::Looked) {
    event.what = What::Supervise;
    event.choice = chance(85) ? 0 : 1 + below(3);
    return event;
  }
  event.choice = chance(40) ? 0 : chance(40) ? 1 : chance(4) ? 2 : 3 + below(32);
  // Grants and gifts are used soon, as a rule.
  const bool goes_on =
      client->phase == Client::Phase::Verified || client->phase == Client::Phase::Granted;
  if (goes_on && chance(60)) follow_ = event.who;
  if (client->phase == Client::Phase::Granted) event.choice = chance(4) ? 1 : 0;
  if (client->views) event.choice = chance(20) ? 1 : 0;
  return event;
}

// Processes begin, end, stop and go on.
Event Generator::harm(const World& world) {
  const int kind = below(100);
  Event event = event_of(What::Kill);
  if (kind < 20) {
    event.what = What::Spawn;
    const std::vector<int>& holders = world.model().holders();
    event.who = holders.empty() ? some_client(world) : one_of(holders);
    event.number = ++last_number_;
    event.gpus = {below(8), below(8)};
    event.memory_mib = chance(20) ? 60 : 500 + below(3000);
    event.flags.hides_environment = chance(15);
    event.flags.hides_memory = chance(5);
    event.flags.hides_owner = chance(5);
    event.flags.is_ignored = chance(5);
    return event;
  }
  if (kind < 32) {
    event.what = What::KillJob;
    event.who = some_client(world);
    event.choice = chance(40) ? 1 : 0;
    return event;
  }
  if (kind < 40 && !stopped_.empty()) {
    event.what = What::Continue;
    event.who = stopped_.back();
    stopped_.pop_back();
    return event;
  }
  if (kind < 46) {
    event.what = What::Stop;
    event.who = some_process(world);
    stopped_.push_back(event.who);
    return event;
  }
  if (kind < 50) {
    event.what = What::Interrupt;
    event.who = some_client(world);
    return event;
  }
  event.who = some_process(world);
  return event;
}

Event Generator::touch_gpus(const World& /*world*/) {
  const int kind = below(100);
  Event event;
  if (kind < 30) {
    event = event_of(What::Intrude);
    event.number = ++last_number_;
    event.uid = some_uid();
    event.place.space = has_containers_ && chance(30) ? 1 + below(kSpaces - 1) : 0;
    event.gpus = some_gpus(2);
    event.memory_mib = chance(15) ? 60 : 500 + below(3000);
    event.flags.hides_environment = chance(20);
    event.flags.hides_memory = chance(5);
    event.flags.hides_owner = chance(5);
    event.flags.is_ignored = chance(10);
  } else if (kind < 37) {
    event = event_of(What::Break);
    event.gpus = some_gpus(2);
    event.choice = 1 + below(3);
    broken_.insert(broken_.end(), event.gpus.begin(), event.gpus.end());
  } else if (kind < 67) {
    event = event_of(What::Mend);
    event.gpus = std::move(broken_);
    broken_.clear();
  } else if (kind < 74) {
    event = event_of(What::Drain);
    event.gpus = some_gpus(2);
    drained_.insert(drained_.end(), event.gpus.begin(), event.gpus.end());
  } else {
    event = event_of(What::Undrain);
    event.gpus = std::move(drained_);
    drained_.clear();
  }
  return event;
}

// People ask for what belongs to them, and sometimes for what does not.
Event Generator::ask(const World& world) {
  const int kind = below(100);
  Event event = event_of(kind < 25 ? What::Cancel : kind < 65 ? What::Release : What::Extend);
  event.flags.admin = chance(15);
  event.place = some_place(20);
  event.place.sees_foreign_proc = has_liars_ && chance(5);
  const Model& model = world.model();
  const std::vector<int>& whose = kind < 25 ? model.queue() : model.holders();
  if (whose.empty()) {
    event.uid = some_uid();
    event.by_ms = 60'000;
    return event;
  }
  event.who = one_of(whose);
  const Entry& entry = model.entry(event.who);
  event.uid = chance(85) ? entry.request.account.uid : some_uid();
  event.flags.runs = event.what == What::Release && chance(25);
  event.flags.labelled = event.what == What::Release && chance(20);
  event.choice = chance(20) ? 1 : 0;
  if (event.what == What::Extend) event.by_ms = 1'000 + below(900'000);
  if (event.what == What::Cancel || !entry.held || chance(30)) return event;
  if (entry.held->gpus.empty()) return event;
  event.gpus = chance(60) ? entry.held->gpus : std::vector<int>{one_of(entry.held->gpus)};
  if (chance(5)) event.gpus = some_gpus(setup_.gpus);
  return event;
}

Event Generator::rare(const World& /*world*/) {
  const int kind = below(100);
  Event event;
  if (kind < 25) {
    event = event_of(What::StepClock);
    const std::int64_t far = chance(50) ? 120'000 : 20'000'000;
    event.by_ms = below(static_cast<int>(2 * far)) - far;
  } else if (kind < 37) {
    event = event_of(What::Reboot);
    event.by_ms = chance(70) ? 60'000 + below(600'000) : -below(20'000'000);
  } else if (kind < 55) {
    event = event_of(What::BreakProbe);
    probe_broken_ = 5 + below(20);
  } else if (kind < 58) {
    event = event_of(What::Clear);
  } else if (kind < 64) {
    event = event_of(What::Save);
  } else if (kind < 70) {
    event = event_of(What::Lose);
    event.choice = below(2);
  } else if (kind < 76) {
    event = event_of(What::SetPolicy);
    event.choice = below(2 * 3 * 3 * 3 * 5);
    event.place = some_place(0);
  } else if (kind < 84) {
    event = event_of(What::Settle);
    broken_.clear();
    probe_broken_ = 0;
  } else {
    event = event_of(What::Report);
    event.by_ms = 1'000 + below(2'000'000'000);
  }
  return event;
}

}  // namespace chg::sim
