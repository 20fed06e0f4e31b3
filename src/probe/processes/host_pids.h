// Pids as the host counts them: drivers list those, whatever pid namespace their reader lives in.
#pragma once

#include <string>

#include "core/process_identity.h"

namespace chg {

/// Whether this process lives in the first pid namespace, so that its pids are those of the host.
bool sees_host_pids(const ProcessIdentity& process);

/// The same for the reader of the /proc under `root`.
bool sees_host_pids(const std::string& root);

/// Whether the process of the host with this pid has ended, or is a zombie. Only a reader that sees
/// the host's pids can tell; for any other reader no process has ended. A process that /proc hides
/// (hidepid) has not ended.
bool has_ended(const std::string& root, int pid);

}  // namespace chg
