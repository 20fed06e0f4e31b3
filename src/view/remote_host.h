// The names of hosts that are reached by ssh.
#pragma once

#include <string>

namespace chg {

/// Throws Error(Usage) for what is no name of a host, perhaps with an account ("alice@host") or an
/// IPv6 address in brackets: letters, digits and . - _ : @ [ ] alone. Neither host nor account may
/// begin with '-', which ssh would take for an option.
void require_remote_host(const std::string& name);

}  // namespace chg
