// The life of a supervisor: the small process beside a run that gives its GPUs back.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/context.h"
#include "base/error.h"
#include "core/restore.h"

namespace chg {

struct Supervision {
  Reservation reservation;          ///< of the run, with its holder: the command
  std::optional<Duration> timeout;  ///< --timeout, from now on
  Duration grace{};                 ///< between SIGINT and SIGKILL
  Leftovers leftovers = Leftovers::Keep;
};

/// Records the process as the supervisor of the reservation, whose run waits for it. A store in
/// trouble is tried again for as long as `patience`; `troubled` hears of each trouble once. Returns
/// Made, Taken or Ended. Throws Error when it can't be written.
OwnChange record_supervisor(Context& context, const Reservation& reservation,
                            const ProcessIdentity& supervisor, Duration patience,
                            const std::function<void(const Error&)>& troubled);

/// The life of this process as the supervisor: calls `ready` when it watches the command, and then
/// waits for that to end, with heartbeats and the timeout; then deals with what it left on its
/// GPUs, and gives them back. A reservation that the store has lost is brought back as soon as the
/// store is there again. Throws Error before `ready` when the command can't be watched; after it,
/// failures of the store are tried again until they pass.
void supervise(Context& context, const Supervision& supervision,
               const std::function<void()>& ready);

}  // namespace chg
