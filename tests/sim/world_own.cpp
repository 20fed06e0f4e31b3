// A client's or supervisor's own reservation, as in app/own_reservation.cpp: what the store has
// lost is brought back, and what was ended stays ended.
#include <algorithm>

#include "core/restore.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {

Client::OwnChange World::change_own(Client& client, Client::Job job, const Change& change,
                                    const std::function<void(Model&)>& expected) {
  if (const auto done = try_change(client, job, std::nullopt, change, expected)) return *done;
  std::vector<UsageRecord> since;
  std::copy_if(history_.begin(), history_.end(), std::back_inserter(since),
               [&](const UsageRecord& record) { return record.ended >= client.own.started.wall; });
  const bool is_alive = job != Client::Job::Over;
  const auto lost = to_restore(client.own, since, is_alive);
  // One without a GPU of its own leaves no record when it ends, so that nobody can know.
  const bool is_right =
      client.own.gpus.empty() || lost == model_.to_restore(client.number, client.own, is_alive);
  if (!is_right) throw Violation("bring back", client.own.id);
  if (!lost) return Client::OwnChange::Ended;
  return try_change(client, job, lost, change, expected).value_or(Client::OwnChange::Ended);
}

// Missing: the reservation is not there, and is not brought back.
std::optional<Client::OwnChange> World::try_change(Client& client, Client::Job job,
                                                   const std::optional<Reservation>& lost,
                                                   const Change& change,
                                                   const std::function<void(Model&)>& expected) {
  std::optional<Client::OwnChange> result;
  const auto is_enough = [&](bool is_whole) {
    return lost && (job != Client::Job::NotBegun || is_whole);
  };
  update(
      client.space, nullptr,
      [&](Pool& pool) {
        if (!is_known(pool, client.own)) {
          if (lost) result = Client::OwnChange::Taken;
          if (!is_enough(lost && is_whole(pool, *lost))) return;
          restore(pool, *lost);
        }
        result = Client::OwnChange::Made;
        change(pool);
      },
      [&](Model& model) {
        const bool is_there = model.is_known(client.number, client.own);
        const bool comes_back =
            !is_there && is_enough(lost && model.is_whole(client.number, *lost));
        if ((result == Client::OwnChange::Made) != (is_there || comes_back)) {
          throw Violation("own reservation", client.own.id);
        }
        if (comes_back) {
          const int supervisor = lost->supervisor ? supervisor_key(client.number) : kNobody;
          model.restore(client.number, *lost, supervisor);
          ++counts_.brought_back;
        }
        if (is_there || comes_back) expected(model);
        return true;
      });
  const Reservation* held = find_reservation(pool_, client.own.id);
  if (result == Client::OwnChange::Made && held != nullptr) client.own = *held;
  return result;
}

}  // namespace chg::sim
