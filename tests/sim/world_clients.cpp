// The life of a client, as in app/acquire.cpp, app/reserve.cpp and app/run.cpp: one step is what it
// does between two moments at which others may act.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "core/changes.h"
#include "core/reap.h"
#include "core/restore.h"
#include "sim/promises.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {
namespace {

void erase_from_queue(Pool& pool, const std::string& id) {
  std::erase_if(pool.queue, [&](const Request& other) { return other.id == id; });
}

bool is_in(const Pool& pool, const std::string& id) {
  return find_request(pool, id) != nullptr || find_reservation(pool, id) != nullptr;
}

void erase_reservation(Pool& pool, const std::string& id) {
  std::erase_if(pool.reservations, [&](const Reservation& held) { return held.id == id; });
}

}  // namespace

void World::exit(Client& client) {
  client.phase = Client::Phase::Left;
  client.pool.reset();
  client.sighting.reset();
  machine_.kill(process_key(client.number));
}

void World::step(Client& client, int choice) {
  if (!machine_.can_act(process_key(client.number))) return;
  switch (client.phase) {
    case Client::Phase::Looked:
      return client.views ? view(client, choice) : join(client);
    case Client::Phase::Waits:
      return go_on(client, choice);
    case Client::Phase::Verified:
      return trust_or_give_back(client);
    case Client::Phase::Cares:
      client.phase = Client::Phase::Waits;
      return take_care(client, client.sighting.get(), choice % 8 == 0);
    case Client::Phase::Granted:
      return use_grant(client, choice);
    case Client::Phase::Runs:
    case Client::Phase::Left:
      return;
  }
}

void World::view(Client& client, int choice) {
  const Sighting* sighting = choice == 1 ? nullptr : client.sighting.get();
  update(
      client.space, sighting,
      [&](Pool& pool) { drop_gone_waiters(pool, given(client.space)); },
      [&](Model& model) {
        model.drop_gone_waiters(client.space);
        return true;
      });
  if (!model_.queue().empty()) check_decisions();
  exit(client);
}

void World::join(Client& client) {
  const Instant now = machine_.now();
  const bool is_new = client.request.enqueued == Instant{};
  const bool decides = client.request.kind == Kind::Manual || client.nonblock;
  bool was_there = false;
  std::vector<std::string> granted;
  bool claimed = false;
  const bool accepted = update(
      client.space, client.sighting.get(),
      [&](Pool& pool) {
        was_there = is_in(pool, client.request.id);
        if (was_there) return;
        client.request.last_heartbeat = now;
        if (is_new) client.request.enqueued = now;
        is_new ? enqueue(pool, client.request) : rejoin(pool, client.request);
        client.request.arrival = find_request(pool, client.request.id)->arrival;
        if (decides) granted = schedule(pool, given(client.space));
        claimed = claim_on_arrival(client, pool);
        if (client.nonblock) erase_from_queue(pool, client.request.id);
      },
      [&](Model& model) {
        if (!model.accepts(client.request)) return false;
        if (was_there) return model.is_in(client.number);
        if (is_new) {
          model.join(client.number, client.request, process_key(client.number));
        } else {
          model.rejoin(client.number, client.request);
        }
        if (decides) model.schedule(client.space, pool_, granted);
        if (claimed) model.claim(client.number, *client.request.duration);
        if (client.nonblock) model.leave(client.number);
        return true;
      });
  // No two ask at the same moment: they do so one after the other.
  machine_.advance(std::chrono::nanoseconds(1));
  if (!accepted) return exit(client);
  client.is_fresh = true;
  client.last_heartbeat = now;
  client.pool = snapshot();
  client.phase = Client::Phase::Waits;
  if (!claimed) return;
  trust_or_give_back(client);
  if (client.phase != Client::Phase::Granted) throw Violation("claim", client.request.id);
  exit(client);
}

bool World::claim_on_arrival(const Client& client, Pool& pool) {
  const Reservation* held = find_reservation(pool, client.request.id);
  if (held == nullptr || held->kind != Kind::Manual) return false;
  if (!covers(client.sighting->observation, pool, held->gpus)) return false;
  if (!is_usable(client, *held, pool)) return false;
  return claim(pool, held->id, *client.request.duration, machine_.now());
}

void World::go_on(Client& client, int choice) {
  if (const Reservation* held = find_reservation(*client.pool, client.request.id)) {
    return look_at_grant(client, *held);
  }
  const Request* mine = find_request(*client.pool, client.request.id);
  if (mine == nullptr) return client.nonblock ? exit(client) : come_back(client);
  client.request = *mine;
  if (client.nonblock) return leave_queue(client);
  wait(client, choice);
}

// Somebody has cancelled it, or else the store has lost it, or it was given up for dead.
void World::come_back(Client& client) {
  bool cancelled = false;
  update(
      client.space, nullptr,
      [&](Pool& pool) {
        const std::string& id = client.request.id;
        cancelled = take_cancelled(pool, id);
        if (cancelled || is_in(pool, id)) return;
        client.request.last_heartbeat = machine_.now();
        rejoin(pool, client.request);
      },
      [&](Model& model) {
        const int number = client.number;
        if (model.take_cancelled(number) != cancelled) {
          throw Violation("cancelled", client.request.id + " is told what is not so");
        }
        if (cancelled || model.is_in(number)) return true;
        ++counts_.came_back;
        model.rejoin(number, client.request);
        return true;
      });
  if (cancelled) return exit(client);
  client.pool = snapshot();
  client.is_fresh = false;
}

// What a waiter does depends on what it hears; any of it may come at any time.
void World::wait(Client& client, int choice) {
  if (choice == 0) {
    client.pool = snapshot();
    client.is_fresh = false;
  } else if (choice == 1) {
    if (const Sight seen = machine_.look(client.space)) {
      client.sighting = seen;
      client.phase = Client::Phase::Cares;
    } else {
      take_care(client, nullptr, false);
    }
  } else if (choice == 2) {
    leave_queue(client);
  } else {
    take_care(client, nullptr, choice % 8 == 0);
  }
}

void World::take_care(Client& client, const Sighting* sighting, bool decides) {
  const Instant now = machine_.now();
  const bool beats = age(client.last_heartbeat, now) >= settings_.heartbeat_interval;
  if (beats) client.last_heartbeat = now;
  update(
      client.space, sighting,
      [&](Pool& pool) {
        drop_gone_waiters(pool, given(client.space));
        for (Request& request : pool.queue) {
          if (beats && request.id == client.request.id) request.last_heartbeat = now;
        }
      },
      [&](Model& model) {
        model.drop_gone_waiters(client.space);
        if (beats && model.waiting(client.number) != nullptr) model.beat_request(client.number);
        return true;
      });
  client.pool = snapshot();
  client.is_fresh = sighting != nullptr;
  if (decides) check_decisions();
}

// The reasons that people are told must add up, and agree with whom the GPUs are held for.
void World::check_decisions() const {
  ++counts_.decisions;
  const std::vector<Decision> decisions = explain(pool_, machine_.now());
  const std::vector<std::vector<int>> held = model_.held();
  if (decisions.size() != held.size()) throw Violation("decisions", "not one for each waiter");
  for (std::size_t i = 0; i < held.size(); ++i) {
    const Decision& decision = decisions[i];
    std::size_t blocked = 0;
    for (const Blocker& blocker : decision.reason.blockers) blocked += blocker.gpus.size();
    const auto& named = decision.reason.named;
    const std::size_t wanted = named.empty() ? pool_.gpus.size() : named.size();
    const bool adds_up = decision.position == static_cast<int>(i) + 1 &&
                         blocked + held[i].size() == wanted && decision.held == held[i];
    if (!adds_up) throw Violation("decisions", "that of " + decision.request_id + " is wrong");
  }
}

void World::look_at_grant(Client& client, const Reservation& held) {
  client.phase = Client::Phase::Verified;
  const bool is_covered =
      client.is_fresh && covers(client.sighting->observation, *client.pool, held.gpus);
  if (is_covered) return trust_or_give_back(client);
  const Sight seen = machine_.look(client.space);
  client.sighting = seen ? seen : machine_.blinded(*client.sighting);
}

bool World::is_usable(const Client& client, const Reservation& held, const Pool& pool) const {
  Pool without = pool;
  for (const int index : held.gpus) find_gpu(without, index)->obstacle.reset();
  give_back(without, client.request);
  observe(without, client.sighting->observation, settings_);
  return std::all_of(held.gpus.begin(), held.gpus.end(), [&](int index) {
    return may_take(client.request, *find_gpu(without, index));
  });
}

void World::trust_or_give_back(Client& client) {
  const Reservation held = *find_reservation(*client.pool, client.request.id);
  client.is_fresh = true;
  if (is_usable(client, held, *client.pool)) {
    require_free(client.request, held.gpus, *client.sighting);
    client.own = held;
    client.gpus = held.gpus;
    client.phase = Client::Phase::Granted;
    ++counts_.trusted;
    return;
  }
  update(
      client.space, client.sighting.get(),
      [&](Pool& pool) {
        const Reservation* mine = find_reservation(pool, client.request.id);
        if (mine == nullptr) return;
        ++counts_.given_back;
        const std::vector<int> gpus = mine->gpus;
        for (const int index : gpus) find_gpu(pool, index)->obstacle.reset();
        give_back(pool, client.request);
        observe(pool, client.sighting->observation, settings_);
      },
      [&](Model& model) {
        if (model.holding(client.number) != nullptr) {
          model.give_back(client.number, client.request, *client.sighting);
        }
        return true;
      });
  client.pool = snapshot();
  client.phase = Client::Phase::Waits;
}

void World::leave_queue(Client& client) {
  bool left = true;
  update(
      client.space, nullptr,
      [&](Pool& pool) {
        left = find_reservation(pool, client.request.id) == nullptr;
        erase_from_queue(pool, client.request.id);
      },
      [&](Model& model) {
        model.leave(client.number);
        return true;
      });
  client.pool = snapshot();
  client.is_fresh = false;
  if (left) exit(client);
}

void World::interrupt(Client& client) {
  const bool waits = client.phase == Client::Phase::Waits || client.phase == Client::Phase::Cares;
  if (!waits || !machine_.can_act(process_key(client.number))) return;
  // One that has read of its grant no longer waits for signals.
  if (find_request(*client.pool, client.request.id) == nullptr) return;
  update(
      client.space, nullptr,
      [&](Pool& pool) {
        erase_from_queue(pool, client.request.id);
        erase_reservation(pool, client.request.id);
      },
      [&](Model& model) {
        model.leave(client.number);
        model.forget(client.number);
        return true;
      });
  exit(client);
}

void World::use_grant(Client& client, int choice) {
  if (client.request.kind == Kind::Run) {
    if (choice != 1) return attach(client);
    // No supervisor could be started, and so no command.
    forget(client);
    return exit(client);
  }
  change_own(
      client, Client::Job::NotBegun,
      [&](Pool& pool) { claim(pool, client.request.id, *client.request.duration, machine_.now()); },
      [&](Model& model) { model.claim(client.number, *client.request.duration); });
  exit(client);
}

void World::forget(Client& client) {
  change_own(
      client, Client::Job::NotBegun,
      [&](Pool& pool) { erase_reservation(pool, client.request.id); },
      [&](Model& model) { model.forget(client.number); });
}

void World::attach(Client& client) {
  const int key = supervisor_key(client.number);
  const Instant now = machine_.now();
  machine_.start(key, client.request.account.uid, client.space, kNobody);
  const Client::OwnChange made = change_own(
      client, Client::Job::NotBegun,
      [&](Pool& pool) {
        Reservation* held = find_reservation(pool, client.request.id);
        held->supervisor = machine_.identity(key);
        held->last_heartbeat = now;
      },
      [&](Model& model) { model.attach(client.number, key); });
  if (made != Client::OwnChange::Made) {
    machine_.kill(key);
    forget(client);
    if (made == Client::OwnChange::Taken) client.sighting = machine_.look(client.space);
    if (made == Client::OwnChange::Ended || !client.sighting) return exit(client);
    // Back to its place.
    client.gpus.clear();
    client.phase = Client::Phase::Looked;
    return;
  }
  client.supervisor = Client::Supervisor::Watches;
  client.supervised_since = client.supervisor_heartbeat = now;
  client.timeout = client.request.duration;
  client.phase = Client::Phase::Runs;
  client.pool.reset();
  client.sighting.reset();
  if (client.uses_gpus) {
    Process& command = machine_.process(process_key(client.number));
    machine_.use(command, client.gpus, 2000);
  }
}

}  // namespace chg::sim
