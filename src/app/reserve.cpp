#include "app/reserve.h"

#include "app/own_reservation.h"
#include "app/visibility.h"
#include "base/error.h"
#include "core/protocol.h"

namespace chg {

Acquired reserve(Context& context, const Request& request, const AcquireOptions& options,
                 const WaitListener& listener) {
  Request wanted = request;
  while (true) {
    std::optional<SignalWatch> signals;
    Acquired acquired = acquire(context, signals, wanted, options, listener);
    auto* granted = std::get_if<Granted>(&acquired);
    if (granted == nullptr) return acquired;
    try {
      shell_variables(context, *granted);
    } catch (const Error&) {
      // Nobody could use them: they are not taken.
      discard(context, granted->reservation);
      throw;
    }
    if (!granted->reservation.holder) return acquired;  // claimed on arrival
    const OwnChange made =
        change_own(context, granted->reservation, JobState::NotBegun,
                   [&](Pool& pool, const Circumstances& given) {
                     claim(pool, granted->reservation.id, *request.duration, given.now);
                   });
    if (made == OwnChange::Made) return acquired;
    if (made == OwnChange::NoPool) throw lost_pool();
    if (made == OwnChange::Ended) return NotGranted{NotGranted::Why::Cancelled, std::nullopt, 0};
    // Somebody else has got them by now: back to its place.
    wanted = granted->request;
  }
}

void give_back(Context& context, const Reservation& reservation) { discard(context, reservation); }

}  // namespace chg
