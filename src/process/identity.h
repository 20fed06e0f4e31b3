// Finds out who a process is, whether it still lives, and when it ends.
#pragma once

#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "core/host_identity.h"
#include "core/process_identity.h"

namespace chg {

/// Who this process is. After a fork, ask again. Throws Error(Failed) with a hint where /proc is
/// missing, or shows another pid namespace: nobody there could find this process by its pid.
ProcessIdentity self_identity();

/// Where this process counts pids: an identity without pid and start.
ProcessIdentity own_place();

/// Why nobody can tell from here which other processes live, for people; "" where that can be told.
std::string blind_spot();

/// The host that this process runs on, under the name that it is seen by from here.
HostIdentity this_host();

/// Whether that is the host's own name, and not one that a container was given.
bool knows_host_name();

/// Who the process with this pid of our own pid namespace is; missing when there is none, and where
/// /proc shows another pid namespace.
std::optional<ProcessIdentity> identity_of(int pid);

/// What can be known of it from here. A zombie is gone: it holds no GPU any more. A process that
/// lives with the recorded pid and start lives, even if its record has another boot id.
Liveness liveness(const ProcessIdentity& process);

/// A pidfd that polls as ready when the process has ended. Empty when it is gone, or cannot be seen
/// from here; any process may watch any other. Throws Error when it cannot be opened for another
/// reason (too many open files): that is no sign of an end.
UniqueFd watch(const ProcessIdentity& process);

/// Sends a signal to that very process, or to none. False when it is gone, or can't be seen from
/// here; throws Error(NotPermitted) for other people's.
bool send_signal(const ProcessIdentity& process, int signal_number);

}  // namespace chg
