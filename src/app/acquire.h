// From a request to a reservation: joins the queue, waits, and reads the GPUs before it uses a
// grant.
#pragma once

#include <functional>
#include <optional>
#include <variant>

#include "app/context.h"
#include "base/error.h"
#include "core/schedule.h"
#include "process/signals.h"

namespace chg {

struct AcquireOptions {
  bool nonblock = false;         ///< granted at once or not at all
  std::optional<Duration> wait;  ///< how long at most
};

/// Granted, and seen to be free of unreserved use; a manual reservation that was granted on arrival
/// is claimed already. `observation` is what was seen, in `pool`.
struct Granted {
  Reservation reservation;
  Observation observation;
  Pool pool;
  Request request;  ///< what was granted, with its place in the queue
};

/// Not granted; the request has left the queue.
struct NotGranted {
  enum class Why { NotAvailable, WaitedTooLong, Interrupted, Cancelled };
  Why why = Why::NotAvailable;
  std::optional<Decision> decision;  ///< what it last waited for, where that is known
  int signal = 0;                    ///< Interrupted: by this one
};

using Acquired = std::variant<Granted, NotGranted>;

/// Hears what a waiter reports.
struct WaitListener {
  /// When a request begins to wait, and whenever its place or its reason changes.
  std::function<void(const Decision&, const Instant& now)> waits;
  /// At each transient error of the store; the request goes on waiting.
  std::function<void(const Error&)> troubled;
};

/// `signals` is made here, after the first look at the GPUs: until then a signal just ends the
/// program. Fills in the request's waiter, times and arrival; one that has an arrival goes back
/// to its place. A refused request (rule 6) is thrown as Error(Usage); a probe
/// that fails, as its Error, before the queue is joined. Lock contention is waited out, in the
/// queue any transient error of the store, unless the request does not wait or its time is over.
Acquired acquire(Context& context, std::optional<SignalWatch>& signals, Request request,
                 const AcquireOptions& options, const WaitListener& listener);

}  // namespace chg
