#include "app/own_reservation.h"

#include <optional>

#include "core/protocol.h"

namespace chg {
namespace {

// nullopt: the reservation is missing, and `lost` is not given.
std::optional<OwnChange> try_change(Context& context, Reservation& own,
                                    const std::optional<Lost>& lost, const Change& change) {
  std::optional<OwnChange> result;
  const Pool pool = update_pool(context, nullptr, [&](Pool& changed, const Circumstances& given) {
    result = is_of_another_host(changed) ? OwnChange::NoPool : find_or_restore(changed, own, lost);
    if (result == OwnChange::Made) change(changed, given);
  });
  const Reservation* mine = find_reservation(pool, own.id);
  if (result == OwnChange::Made && mine != nullptr) own = *mine;
  return result;
}

}  // namespace

OwnChange change_own(Context& context, Reservation& own, const std::function<JobState()>& job,
                     const Change& change) {
  if (const auto result = try_change(context, own, std::nullopt, change)) return *result;
  // The history is read after the pool: one transaction removes a reservation and writes its
  // Ended event, so a reservation that was missing because it ended has its event by now.
  const std::vector<UsageRecord> history = context.store().history(own.started.wall);
  const JobState state = job();
  const auto lost = to_restore(own, history, state != JobState::Over);
  if (!lost) return OwnChange::Ended;
  return try_change(context, own, Lost{*lost, state}, change).value_or(OwnChange::Ended);
}

OwnChange change_own(Context& context, Reservation& own, JobState job, const Change& change) {
  return change_own(
      context, own, [job] { return job; }, change);
}

void discard(Context& context, Reservation own) {
  change_own(context, own, JobState::NotBegun,
             [&](Pool& pool, const Circumstances&) { discard(pool, own.id); });
}

Error lost_pool() {
  return Error(ErrorKind::Failed, "the store has lost the pool", "set it up with: canhazgpu admin")
      .with(Retry::Later);
}

}  // namespace chg
