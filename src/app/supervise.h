// The life of a supervisor: the small process beside a run that gives its GPUs back.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/host.h"
#include "core/process_identity.h"

namespace chg {

struct Supervision {
  std::string reservation_id;
  ProcessIdentity command;
  std::optional<Duration> timeout;  ///< --timeout, from now on
  Duration grace{};                 ///< between SIGINT and SIGKILL
  Leftovers leftovers = Leftovers::Keep;
};

/// Records this process as the supervisor of the reservation, calls `ready`, and then waits for the
/// command to end, with heartbeats and the timeout; then deals with what it left on its GPUs, and
/// gives them back. Throws Error before `ready` when the reservation is gone or can't be written;
/// after it, failures of the store are tried again until they pass.
void supervise(Host& host, const Supervision& supervision, const std::function<void()>& ready);

}  // namespace chg
