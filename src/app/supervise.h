// The life of a supervisor: the small process beside a run that gives its GPUs back.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/context.h"
#include "app/run_teller.h"
#include "base/error.h"
#include "core/restore.h"

namespace chg {

struct Supervision {
  Reservation reservation;          ///< of the run, with its holder: the command
  std::optional<Duration> timeout;  ///< --timeout, from now on
  Duration grace{};                 ///< between the first signal and SIGKILL
  int first_signal = 0;             ///< of those that end the job
  Leftovers leftovers = Leftovers::Keep;
  Duration heartbeat_interval{};  ///< as the policy was at the grant
  Duration leftovers_grace{};     ///< likewise
};

/// Records the process as the supervisor of the reservation, whose run waits for that. Transient
/// errors of the store are retried for as long as `patience`; `troubled` hears of each once.
/// Returns Made, Taken or Ended. Throws Error when it can't be written.
OwnChange record_supervisor(Context& context, const Reservation& reservation,
                            const ProcessIdentity& supervisor, Duration patience,
                            const std::function<void(const Error&)>& troubled);

/// The life of this process as the supervisor: calls `ready` when it watches the command, and then
/// waits for its end, with heartbeats and the timeout; then deals with its leftovers, and gives the
/// GPUs back. What the user has to know of it goes to `teller`, which this closes as soon as there
/// is nothing more to say, for whoever reads it to its end. Restores a reservation that the store
/// has lost as soon as the store is back. Throws Error before `ready` when the command can't be
/// watched; after it, retries until the store works.
void supervise(Context& context, const Supervision& supervision, RunTeller teller,
               const std::function<void()>& ready);

}  // namespace chg
