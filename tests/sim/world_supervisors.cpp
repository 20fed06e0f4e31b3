// The life of a supervisor: when its steps are taken, as in app/supervise.cpp.
#include <algorithm>

#include "core/protocol.h"
#include "core/reap.h"
#include "sim/indices.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {

void World::supervise(Client& client, int choice) {
  if (!machine_.can_act(supervisor_key(client.number))) return;
  if (machine_.is_alive(process_key(client.number))) return watch_command(client, choice);
  if (!client.command_ended) client.command_ended = machine_.now(client.place);
  if (client.leftovers == Leftovers::Kill) kill_job(client.number);
  const bool keeps = client.leftovers == Leftovers::Keep && !client.is_over;
  if (!keeps || members(client.number).empty()) {
    return give_gpus_back(client);
  }
  deal_with_leftovers(client);
}

// Whether it was done is not always known: the reply may be lost.
void World::change_watched(Client& client, bool hears,
                           const std::function<void(Reservation&)>& change,
                           const std::function<void(Model&)>& expected) {
  if (client.is_over) return;
  const bool is_alive = machine_.is_alive(process_key(client.number));
  const Reservation before = client.own;
  const OwnChange made = change_own(
      client, is_alive ? JobState::Running : JobState::Over,
      [&](Pool& pool) { change(*find_reservation(pool, client.request.id)); }, expected);
  if (hears) {
    client.is_over = made == OwnChange::Ended;
  } else {
    client.own = before;
  }
}

void World::watch_command(Client& client, int choice) {
  const Instant now = machine_.now(client.place);
  const bool is_late = client.timeout && age(client.supervised_since, now) >= *client.timeout;
  if (is_late && !client.timed_out) {
    client.timed_out = true;
    change_watched(
        client, true, [](Reservation& reservation) { time_out(reservation); },
        [&](Model& model) { model.mark_ending(client.number, EndReason::TimedOut, std::nullopt); });
    if (choice != 2) kill_job(client.number);
  }
  if (age(client.supervisor_heartbeat, now) < pool_.policy.heartbeat_interval) return;
  client.supervisor_heartbeat = now;
  // The store was in trouble, and the next heartbeat tries again.
  if (choice == 1) return;
  change_watched(
      client, choice != 3, [&](Reservation& reservation) { beat(reservation, now); },
      [&](Model& model) { model.beat_reservation(client.number); });
}

// Looks first; what it makes of that may be late.
void World::deal_with_leftovers(Client& client) {
  std::vector<ProcessIdentity> present;
  // A run inside of it may be in a container: pids are those that are known here.
  for (const int key : members(client.number))
    present.push_back(machine_.identity_from(*machine_.find(key), client.place));
  if (client.supervisor != Client::Supervisor::Looked) {
    client.supervisor_sighting = machine_.look(client.place);
    if (!client.supervisor_sighting) return note_leftovers(client, present);
    client.supervisor = Client::Supervisor::Looked;
    return;
  }
  client.supervisor = Client::Supervisor::Watches;
  const Sight sighting = std::move(client.supervisor_sighting);
  const JobUse use = use_by_members(present, client.own, pool_, sighting->observation);
  const Duration since_end = age(*client.command_ended, machine_.now(client.place));
  const Duration left = grace_left(client.leftovers, since_end, pool_.policy.leftovers_grace);
  const std::vector<ProcessIdentity> keeping = keeping_leftovers(present, use, left);
  if (!keeping.empty()) return note_leftovers(client, keeping);
  require_left(client, *sighting);
  give_gpus_back(client);
}

// Nobody gives GPUs back on which he has seen a process of the job, whoever else hides it, nor
// within the grace while any lives.
void World::require_left(const Client& client, const Sighting& sighting) const {
  const Duration since = age(*client.command_ended, machine_.now(client.place));
  if (since < pool_.policy.leftovers_grace && !members(client.number).empty())
    throw Violation("given back within the grace", client.own.id);
  const Reservation* known = find_reservation(pool_, client.own.id);
  if (known == nullptr) return;
  for (const int key : members(client.number)) {
    for (const int gpu : known->gpus) {
      const Listed counted = sighting.gpus.at(at(gpu)).counted(pool_.policy);
      if (holds(counted.keys, key)) throw Violation("given back too soon", client.own.id);
    }
  }
}

void World::note_leftovers(Client& client, const std::vector<ProcessIdentity>& leftovers) {
  ++counts_.kept_for_leftovers;
  change_watched(
      client, true, [&](Reservation& reservation) { reservation.leftovers = leftovers; },
      [&](Model& model) { model.note_leftovers(client.number, leftovers); });
  const Instant now = machine_.now(client.place);
  if (age(client.supervisor_heartbeat, now) < pool_.policy.heartbeat_interval) return;
  client.supervisor_heartbeat = now;
  change_watched(
      client, true, [&](Reservation& reservation) { beat(reservation, now); },
      [&](Model& model) { model.beat_reservation(client.number); });
}

void World::give_gpus_back(Client& client) {
  const Instant now = machine_.now(client.place);
  change_own(
      client, JobState::Over, [&](Pool& pool) { end_run(pool, client.request.id, now); },
      [&](Model& model) {
        const Entry& entry = model.entry(client.number);
        model.end(client.number, now, entry.held->ending.value_or(EndReason::Finished));
      });
  if (find_reservation(pool_, client.own.id) != nullptr) {
    throw Violation("left behind", client.own.id);
  }
  client.supervisor = Client::Supervisor::Left;
  machine_.kill(supervisor_key(client.number));
}

}  // namespace chg::sim
