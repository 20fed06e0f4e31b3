#include "core/restore.h"

#include <algorithm>

#include "core/inner.h"
#include "core/recall.h"

namespace chg {
namespace {

void insert_by_start(Pool& pool, Reservation reservation) {
  const auto place =
      std::find_if(pool.reservations.begin(), pool.reservations.end(),
                   [&](const Reservation& other) { return starts_before(reservation, other); });
  pool.reservations.insert(place, std::move(reservation));
}

// Whether the reservation, which has lost the GPU, has it now.
bool take_if_free(Pool& pool, Reservation& reservation, int index) {
  Gpu* gpu = find_gpu(pool, index);
  if (gpu == nullptr || !may_have(pool, reservation, index)) return false;
  gpu->unavailable.reset();
  std::erase(reservation.lost, index);
  reservation.gpus.insert(std::upper_bound(reservation.gpus.begin(), reservation.gpus.end(), index),
                          index);
  return true;
}

}  // namespace

std::optional<Reservation> to_restore(const Reservation& remembered,
                                      const std::vector<UsageRecord>& history, bool is_alive) {
  Reservation restored = remembered;
  for (const UsageRecord& record : history) {
    if (record.reservation_id != remembered.id || record.grant != remembered.grant) continue;
    if (record.end != EndReason::Lost || !is_alive) return std::nullopt;
    // Only on the wall clock, which usage is charged by. The boot clock tells which observations
    // are older than the run.
    restored.started.wall = std::max(restored.started.wall, record.ended);
  }
  return restored;
}

bool is_known(const Pool& pool, const Reservation& remembered) {
  const Reservation* reservation = find_reservation(pool, remembered.id);
  return reservation != nullptr && reservation->grant == remembered.grant &&
         all_gpus(*reservation) == all_gpus(remembered) &&
         reservation->supervisor == remembered.supervisor;
}

bool is_whole(const Pool& pool, const Reservation& remembered) {
  const std::vector<int> all = all_gpus(remembered);
  return std::all_of(all.begin(), all.end(), [&](int index) {
    return find_gpu(pool, index) != nullptr && may_have(pool, remembered, index);
  });
}

std::optional<OwnChange> find_or_restore(Pool& pool, const Reservation& own,
                                         const std::optional<Lost>& lost) {
  if (pool.gpus.empty()) return OwnChange::NoPool;
  if (is_known(pool, own)) return OwnChange::Made;
  if (!lost) return std::nullopt;
  // A request that was passed over was not lost: others may have what it was granted.
  const Request* waiting = find_request(pool, own.id);
  const bool is_passed_over = waiting != nullptr && waiting->passed_over;
  if (lost->job == JobState::NotBegun && (is_passed_over || !is_whole(pool, lost->reservation)))
    return OwnChange::Taken;
  restore(pool, lost->reservation);
  return find_reservation(pool, own.id) == nullptr ? OwnChange::NoPool : OwnChange::Made;
}

OwnChange change_or_restore(const Reservation& own, const OwnSteps& steps) {
  if (const auto done = steps.update(std::nullopt)) return *done;
  // The history is read after the pool: one transaction removes a reservation and writes its
  // Ended event, so a reservation that was missing because it ended has its event by now. The job
  // is asked last, so that one that has ended meanwhile is not restored.
  const std::vector<UsageRecord> history = steps.history();
  const JobState job = steps.job();
  const auto restored = to_restore(own, history, job != JobState::Over);
  if (!restored) return OwnChange::Ended;
  return steps.update(Lost{*restored, job}).value_or(OwnChange::Ended);
}

void restore(Pool& pool, const Reservation& remembered) {
  std::erase_if(pool.queue, [&](const Request& other) { return other.id == remembered.id; });
  std::erase_if(pool.reservations,
                [&](const Reservation& other) { return other.id == remembered.id; });
  Reservation reservation = remembered;
  reservation.gpus.clear();
  reservation.lost = all_gpus(remembered);
  std::erase_if(reservation.lost, [&](int index) { return find_gpu(pool, index) == nullptr; });
  for (const int index : std::vector<int>(reservation.lost)) take_if_free(pool, reservation, index);
  if (reservation.gpus.empty() && reservation.lost.empty()) return;
  add_event(pool, EventKind::Restored, reservation, std::nullopt);
  if (!reservation.lost.empty())
    add_event(pool, EventKind::GpusLost, reservation, std::nullopt).gpus = reservation.lost;
  insert_by_start(pool, std::move(reservation));
  end_recall_of_all(pool);
}

void reclaim_lost_gpus(Pool& pool) {
  // Again, for the runs inside of those that have got some.
  for (bool is_any = true; is_any;) {
    is_any = false;
    for (Reservation& reservation : pool.reservations) {
      const std::vector<int> lost = reservation.lost;
      std::vector<int> reclaimed;
      for (const int index : lost) {
        if (take_if_free(pool, reservation, index)) reclaimed.push_back(index);
      }
      if (reclaimed.empty()) continue;
      is_any = true;
      add_event(pool, EventKind::GpusRestored, reservation, std::nullopt).gpus = reclaimed;
    }
  }
}

}  // namespace chg
