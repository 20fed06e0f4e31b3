#include "app/own_reservation.h"

#include <optional>

#include "core/protocol.h"

namespace chg {
namespace {

// nullopt: the reservation is not there, and is not brought back.
std::optional<OwnChange> try_change(Host& host, Reservation& own, const std::optional<Lost>& lost,
                                    const Change& change) {
  std::optional<OwnChange> result;
  const Pool pool = update_pool(host, nullptr, [&](Pool& changed, const Circumstances& given) {
    result = is_of_another_host(changed) ? OwnChange::NoPool : find_or_restore(changed, own, lost);
    if (result == OwnChange::Made) change(changed, given);
  });
  const Reservation* mine = find_reservation(pool, own.id);
  if (result == OwnChange::Made && mine != nullptr) own = *mine;
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

void discard(Host& host, Reservation own) {
  change_own(host, own, Job::NotBegun,
             [&](Pool& pool, const Circumstances&) { discard(pool, own.id); });
}

Error lost_pool() {
  return Error(ErrorKind::Failed, "the store has lost the pool", "set it up with: canhazgpu admin")
      .passing();
}

}  // namespace chg
