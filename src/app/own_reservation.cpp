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
  const auto update = [&](const std::optional<Lost>& lost) {
    return try_change(context, own, lost, change);
  };
  const auto history = [&] { return context.store().history(own.started.wall); };
  return change_or_restore(own, {update, history, job});
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
