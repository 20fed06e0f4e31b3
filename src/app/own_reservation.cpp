#include "app/own_reservation.h"

#include <optional>

#include "app/pool_update.h"
#include "core/restore.h"

namespace chg {
namespace {

enum class Found { Yes, No, NoPool };

Found try_change(Host& host, Reservation& own, const std::optional<Reservation>& lost,
                 const Change& change) {
  Found found = Found::NoPool;
  const Pool pool = update_pool(host, nullptr, [&](Pool& changed, const Instant& now) {
    found = Found::NoPool;
    if (changed.gpus.empty()) return;
    if (lost && !is_known(changed, own)) restore(changed, *lost);
    if (find_reservation(changed, own.id) == nullptr && lost) return;
    found = lost || is_known(changed, own) ? Found::Yes : Found::No;
    if (found == Found::Yes) change(changed, now);
  });
  const Reservation* held = find_reservation(pool, own.id);
  if (found == Found::Yes && held != nullptr) own = *held;
  return found;
}

}  // namespace

OwnChange change_own(Host& host, Reservation& own, bool is_alive, const Change& change) {
  Found found = try_change(host, own, std::nullopt, change);
  if (found == Found::No) {
    // Read after the pool: an end takes the reservation away and writes its record at one moment.
    const auto lost = to_restore(own, host.store().history(own.started.wall), is_alive);
    if (!lost) return OwnChange::Ended;
    found = try_change(host, own, lost, change);
  }
  return found == Found::NoPool ? OwnChange::NoPool : OwnChange::Made;
}

Error lost_pool() {
  return Error(ErrorKind::Failed, "the store has lost the pool", "set it up with: canhazgpu admin")
      .passing();
}

}  // namespace chg
