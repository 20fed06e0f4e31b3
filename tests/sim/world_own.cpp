// A client's or supervisor's own reservation: what the store has lost is brought back, and what was
// ended stays ended.
#include <algorithm>

#include "core/restore.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {

OwnChange World::change_own(Client& client, JobState job, const Change& change,
                            const std::function<void(Model&)>& expected) {
  const Reservation before = client.own;
  std::optional<Reservation> restored;
  std::optional<Reservation> to_restore;
  const auto update = [&](const std::optional<Lost>& lost) {
    if (lost) restored = lost->reservation;
    const auto made = try_change(client, lost, change, expected);
    if (!made) to_restore = model_.to_restore(client.number, before, job != JobState::Over);
    return made;
  };
  const auto since_start = [&] {
    std::vector<UsageRecord> since;
    std::copy_if(history_.begin(), history_.end(), std::back_inserter(since),
                 [&](const UsageRecord& record) { return record.ended >= before.started.wall; });
    return since;
  };
  const OwnChange made = change_or_restore(before, {update, since_start, [&] { return job; }});
  // One without a GPU of its own leaves no record when it ends, so that nobody can know.
  if (!before.gpus.empty() && restored != to_restore) throw Violation("bring back", before.id);
  return made;
}

// nullopt: the reservation is not there, and is not brought back.
std::optional<OwnChange> World::try_change(Client& client, const std::optional<Lost>& lost,
                                           const Change& change,
                                           const std::function<void(Model&)>& expected) {
  std::optional<OwnChange> result;
  update(
      client.place, nullptr,
      [&](Pool& pool) {
        result = find_or_restore(pool, client.own, lost);
        if (result == OwnChange::Made) change(pool);
      },
      [&](Model& model) {
        const bool is_there = model.is_known(client.number, client.own);
        const auto* waiting = model.waiting(client.number);
        const bool may_begin = (waiting == nullptr || !waiting->request.passed_over) &&
                               model.is_whole(client.number, lost ? lost->reservation : client.own);
        const bool comes_back = !is_there && lost && (lost->job != JobState::NotBegun || may_begin);
        if ((result == OwnChange::Made) != (is_there || comes_back)) {
          throw Violation("own reservation", client.own.id);
        }
        if (comes_back) {
          const bool has_supervisor = lost->reservation.supervisor.has_value();
          const int supervisor = has_supervisor ? supervisor_key(client.number) : kNobody;
          model.restore(client.number, lost->reservation, supervisor);
          ++counts_.brought_back;
        }
        if (is_there || comes_back) expected(model);
        return true;
      });
  const Reservation* mine = find_reservation(pool_, client.own.id);
  if (result == OwnChange::Made && mine != nullptr) client.own = *mine;
  return result;
}

}  // namespace chg::sim
