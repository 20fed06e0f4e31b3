#include "app/own_reservation.h"

#include <optional>

#include "app/pool_update.h"
#include "core/restore.h"

namespace chg {
namespace {

struct Lost {
  Reservation reservation;  ///< as it is to be brought back
  Job job;
};

// Missing: the reservation is not there, and is not brought back.
std::optional<OwnChange> try_change(Host& host, Reservation& own, const std::optional<Lost>& lost,
                                    const Change& change) {
  std::optional<OwnChange> result;
  const Pool pool = update_pool(host, nullptr, [&](Pool& changed, const Instant& now) {
    result = OwnChange::NoPool;
    if (changed.gpus.empty() || is_of_another_host(changed)) return;
    result.reset();
    if (!is_known(changed, own)) {
      if (!lost) return;
      result = OwnChange::Taken;
      if (lost->job == Job::NotBegun && !is_whole(changed, lost->reservation)) return;
      restore(changed, lost->reservation);
      result = OwnChange::NoPool;
      if (find_reservation(changed, own.id) == nullptr) return;
    }
    result = OwnChange::Made;
    change(changed, now);
  });
  const Reservation* held = find_reservation(pool, own.id);
  if (result == OwnChange::Made && held != nullptr) own = *held;
  return result;
}

}  // namespace

OwnChange change_own(Host& host, Reservation& own, const std::function<Job()>& job,
                     const Change& change) {
  if (const auto result = try_change(host, own, std::nullopt, change)) return *result;
  // Read after the pool: an end takes the reservation away and writes its record at one moment.
  const std::vector<UsageRecord> history = host.store().history(own.started.wall);
  const Job state = job();
  const auto lost = to_restore(own, history, state != Job::Over);
  if (!lost) return OwnChange::Ended;
  return try_change(host, own, Lost{*lost, state}, change).value_or(OwnChange::Ended);
}

OwnChange change_own(Host& host, Reservation& own, Job job, const Change& change) {
  return change_own(
      host, own, [job] { return job; }, change);
}

void forget(Host& host, Reservation own) {
  change_own(host, own, Job::NotBegun, [&](Pool& pool, const Instant&) {
    std::erase_if(pool.reservations, [&](const Reservation& held) { return held.id == own.id; });
  });
}

Error lost_pool() {
  return Error(ErrorKind::Failed, "the store has lost the pool", "set it up with: canhazgpu admin")
      .with(Retry::Later);
}

}  // namespace chg
