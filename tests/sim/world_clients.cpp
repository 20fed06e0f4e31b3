// The life of a client: one step is what it does between two moments at which others may act, as in
// app/acquire.cpp, app/reserve.cpp and app/run.cpp.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "core/inner.h"
#include "core/limits.h"
#include "core/protocol.h"
#include "core/reap.h"
#include "core/schedule.h"
#include "sim/promises.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {
namespace {

bool is_refused(const Pool& pool, const Request& request) {
  try {
    require_may_wait(pool, request);
    return false;
  } catch (const Error&) {
    return true;
  }
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
      return act_as_waiter(client, choice);
    case Client::Phase::Verified:
      return trust_or_give_back(client);
    case Client::Phase::Cares:
      client.phase = Client::Phase::Waits;
      return maintain_pool(client, client.sighting.get(), choice % 8 == 0);
    case Client::Phase::Granted:
      return use_grant(client, choice);
    case Client::Phase::Runs:
    case Client::Phase::Left:
      return;
  }
}

void World::view(Client& client, int choice) {
  if (client.place.has_own_boot) {
    doubt(client.place);
    return exit(client);
  }
  const Sighting* sighting = choice == 1 ? nullptr : client.sighting.get();
  update(
      client.place, sighting, [&](Pool& pool) { drop_gone_waiters(pool, given(client.place)); },
      [&](Model& model) {
        model.drop_gone_waiters(client.place);
        return true;
      });
  if (!model_.queue().empty()) check_decisions();
  exit(client);
}

void World::join(Client& client) {
  const Instant now = machine_.now(client.place);
  const int number = client.number;
  const bool is_new = client.request.arrival == 0;
  const bool drops_gone = is_new && !pool_.policy.limits.empty();
  bool claimed = false;
  bool withdrawn = false;
  bool too_many = false;
  Request asked;
  std::vector<std::string> served;
  const bool accepted = update(
      client.place, client.sighting.get(),
      [&](Pool& pool) {
        asked = client.request;
        chg::arrive(pool, client.request, client.sighting->observation, given(client.place));
      },
      [&](Model& model) {
        if (drops_gone) model.drop_gone_waiters(client.place);
        asked.visible = Model::visible(*client.sighting);
        if (!model.accepts(asked)) return false;
        if (is_new && client.request.duration != asked.duration)
          throw Violation("default timeout", asked.id);
        client.request.visible = asked.visible;
        if (model.is_in(number)) {
          if (model.waiting(number) != nullptr) model.beat_request(number);
          return true;
        }
        if (is_new) {
          model.join(number, client.request, process_key(number));
        } else {
          model.requeue(number, client.request);
        }
        return true;
      },
      [&](Pool& pool) {
        const Circumstances circumstances = given(client.place, client.sighting.get());
        claimed = claim_on_arrival(pool, client.request, circumstances);
        const bool waits = find_request(pool, client.request.id) != nullptr;
        withdrawn = client.nonblock && waits;
        // The store would write nothing then. Here those behind it may get what they get next.
        if (is_new && waits && !client.nonblock) too_many = is_refused(pool, client.request);
        if (client.nonblock || too_many)
          served = leave_at_once(pool, client.request.id, circumstances);
      },
      [&](Model& model) {
        if (claimed) model.claim(number, *client.request.duration);
        if (is_new && !client.nonblock && model.waiting(number) != nullptr &&
            model.is_one_too_many(client.request) != too_many)
          throw Violation("waiting limit", client.request.id);
        if (!withdrawn && !too_many) return;
        model.leave(number);
        model.schedule(client.place, pool_, served);
      });
  // No two ask at the same moment: they do so one after the other.
  machine_.advance(std::chrono::microseconds(1));
  if (too_many) ++counts_.too_many;
  if (!accepted || too_many) return exit(client);
  client.is_fresh = true;
  client.last_heartbeat = now;
  client.pool = snapshot();
  client.phase = Client::Phase::Waits;
  if (!claimed) return;
  trust_or_give_back(client);
  if (client.phase != Client::Phase::Granted) throw Violation("claim", client.request.id);
  exit(client);
}

void World::act_as_waiter(Client& client, int choice) {
  const std::string& id = client.request.id;
  const WaiterStep step = next_step(*client.pool, id, client.nonblock);
  if (const Request* mine = find_request(*client.pool, id)) client.request = *mine;
  const bool waits = step == WaiterStep::Wait || step == WaiterStep::ComeBack;
  if (waits && client.nonblock) throw Violation("waits all the same", id);
  switch (step) {
    case WaiterStep::Check:
      return look_at_grant(client, *find_reservation(*client.pool, id));
    case WaiterStep::Wait:
      return wait(client, choice);
    case WaiterStep::Answer:
      return answer(client);
    case WaiterStep::ComeBack:
      return requeue_lost(client);
    case WaiterStep::Leave:
      return leave_queue(client);
    case WaiterStep::GiveUp:
      return exit(client);
  }
}

// It did not take its grant in time, and waits again.
void World::answer(Client& client) {
  ++counts_.answered;
  const Instant now = machine_.now(client.place);
  update(
      client.place, nullptr, [&](Pool& pool) { beat(pool, client.request.id, now); },
      [&](Model& model) {
        if (model.waiting(client.number) != nullptr) model.beat_request(client.number);
        return true;
      });
  client.request.passed_over = false;
  client.last_heartbeat = now;
  client.pool = snapshot();
  client.is_fresh = false;
}

// Somebody has cancelled it, or else the store has lost it, or it was given up for dead.
void World::requeue_lost(Client& client) {
  bool cancelled = false;
  update(
      client.place, nullptr,
      [&](Pool& pool) { cancelled = !come_back(pool, client.request, machine_.now(client.place)); },
      [&](Model& model) {
        const int number = client.number;
        if (model.acknowledge_cancelled(number) != cancelled) {
          throw Violation("cancelled", client.request.id + " is told what is not so");
        }
        if (model.waiting(number) != nullptr && !cancelled) model.beat_request(number);
        if (cancelled || model.is_in(number)) return true;
        ++counts_.came_back;
        model.requeue(number, client.request);
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
    if (const Sight seen = machine_.look(client.place)) {
      client.sighting = seen;
      client.phase = Client::Phase::Cares;
    } else {
      maintain_pool(client, nullptr, false);
    }
  } else if (choice == 2) {
    leave_queue(client);
  } else {
    maintain_pool(client, nullptr, choice % 8 == 0);
  }
}

void World::maintain_pool(Client& client, const Sighting* sighting, bool decides) {
  const Instant now = machine_.now(client.place);
  const bool beats = age(client.last_heartbeat, now) >= pool_.policy.heartbeat_interval;
  if (beats) client.last_heartbeat = now;
  update(
      client.place, sighting,
      [&](Pool& pool) { maintain(pool, client.request.id, beats, given(client.place, sighting)); },
      [&](Model& model) {
        model.drop_gone_waiters(client.place);
        if (sighting != nullptr) model.note_visible(client.number, *sighting);
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
    if (decision.reason.limit) ++counts_.limited;
    std::size_t blocked = 0;
    for (const Blocker& blocker : decision.reason.blockers) blocked += blocker.gpus.size();
    const auto& named = decision.reason.named;
    const std::size_t all = model_.size_of(decision.reason.within).value_or(pool_.gpus.size());
    const std::size_t wanted = named.empty() ? all : named.size();
    const bool adds_up = decision.position == static_cast<int>(i) + 1 &&
                         blocked + held[i].size() == wanted && decision.held == held[i];
    const bool waits_for_its_own = pool_.queue[i].passed_over || decision.reason.limit;
    const bool is_skipped = waits_for_its_own && decision.held.empty() && held[i].empty();
    if (!adds_up && !is_skipped)
      throw Violation("decisions", "that of " + decision.request_id + " is wrong");
  }
}

void World::look_at_grant(Client& client, const Reservation& reservation) {
  client.phase = Client::Phase::Verified;
  const bool is_covered =
      client.is_fresh && covers(client.sighting->observation, *client.pool, reservation.gpus);
  if (is_covered) return trust_or_give_back(client);
  const Sight seen = machine_.look(client.place);
  client.sighting = seen ? seen : machine_.blinded(client.place);
}

void World::trust_or_give_back(Client& client) {
  const Reservation reservation = *find_reservation(*client.pool, client.request.id);
  client.is_fresh = true;
  const Observation& seen = client.sighting->observation;
  if (is_usable(*client.pool, reservation, client.request, seen)) {
    // What is inside a reservation may be in use by that.
    if (outer_of(*client.pool, reservation) == nullptr)
      require_free(client.request, reservation.gpus, *client.sighting, client.pool->policy);
    client.own = reservation;
    client.gpus = reservation.gpus;
    client.phase = Client::Phase::Granted;
    ++counts_.trusted;
    return;
  }
  update(
      client.place, client.sighting.get(),
      [&](Pool& pool) {
        if (find_reservation(pool, client.request.id) != nullptr) ++counts_.given_back;
        refuse_grant(pool, client.request, seen);
      },
      [&](Model& model) {
        if (model.holding(client.number) != nullptr) {
          model.return_to_queue(client.number, client.request, *client.sighting);
        }
        return true;
      });
  client.pool = snapshot();
  client.phase = Client::Phase::Waits;
}

void World::leave_queue(Client& client) {
  bool left = true;
  update(
      client.place, nullptr, [&](Pool& pool) { left = stop_waiting(pool, client.request.id); },
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
      client.place, nullptr, [&](Pool& pool) { abandon(pool, client.request.id); },
      [&](Model& model) {
        model.leave(client.number);
        model.forget(client.number);
        return true;
      });
  exit(client);
}

void World::use_grant(Client& client, int choice) {
  if (client.request.kind == ReservationKind::Run) {
    if (choice != 1) return attach(client);
    // No supervisor could be started, and so no command.
    discard_grant(client);
    return exit(client);
  }
  const OwnChange made = change_own(
      client, JobState::NotBegun,
      [&](Pool& pool) {
        claim(pool, client.request.id, *client.request.duration, machine_.now(client.place));
      },
      [&](Model& model) { model.claim(client.number, *client.request.duration); });
  return made == OwnChange::Taken ? lose_grant(client, made) : exit(client);
}

// Whoever has lost his GPUs to another looks again, and goes back to his place.
void World::lose_grant(Client& client, OwnChange made) {
  if (made == OwnChange::Taken) {
    ++counts_.taken;
    client.sighting = machine_.look(client.place);
  }
  if (made == OwnChange::Ended || !client.sighting) return exit(client);
  client.gpus.clear();
  client.phase = Client::Phase::Looked;
}

void World::discard_grant(Client& client) {
  change_own(
      client, JobState::NotBegun, [&](Pool& pool) { discard(pool, client.request.id); },
      [&](Model& model) { model.forget(client.number); });
}

void World::attach(Client& client) {
  const int key = supervisor_key(client.number);
  const Instant now = machine_.now(client.place);
  machine_.start(key, client.request.account.uid, client.place);
  const OwnChange made = change_own(
      client, JobState::NotBegun,
      [&](Pool& pool) { begin_run(pool, client.request.id, machine_.identity(key), now); },
      [&](Model& model) { model.attach(client.number, key); });
  if (made != OwnChange::Made) {
    machine_.kill(key);
    discard_grant(client);
    return lose_grant(client, made);
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
