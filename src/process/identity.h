// Finds out who a process is, whether it still lives, and when it ends.
#pragma once

#include <optional>

#include "base/unique_fd.h"
#include "core/host_identity.h"
#include "core/process_identity.h"

namespace chg {

/// Who this process is. After a fork, ask again.
ProcessIdentity self_identity();

/// The host that this process runs on, under the name that it is seen by from here.
HostIdentity this_host();

/// Whether that is the host's own name, and not one that a container was given.
bool knows_host_name();

/// Who the process with this pid of our own pid namespace is; missing when there is none.
std::optional<ProcessIdentity> identity_of(int pid);

/// What can be known of it from here. A zombie is gone: it holds no GPU any more.
Liveness liveness(const ProcessIdentity& process);

/// A pidfd that polls as ready when the process has ended. Empty when it is gone, or cannot be seen
/// from here; any process may watch any other. Throws Error when it cannot be opened for another
/// reason (too many open files): that is no sign of an end.
UniqueFd watch(const ProcessIdentity& process);

/// Sends a signal to that very process, or to none. False when it is gone, or can't be seen from
/// here; throws Error(NotPermitted) for other people's.
bool send_signal(const ProcessIdentity& process, int signal_number);

}  // namespace chg
