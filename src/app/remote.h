// Asks other hosts by ssh.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

struct RemoteAnswer {
  std::string host;
  std::string text;   ///< what its canhazgpu printed; any bytes, 16 MiB at most
  std::string error;  ///< why there is none, printable; "": there is one
  std::string hint;
};

/// Runs `canhazgpu WORDS` on each of these hosts, all at the same time, and waits for the last.
/// Each gets `timeout`; then its ssh is killed, with what that has started. ssh asks nobody for a
/// password, and has neither terminal nor input. Throws nothing for a host that fails.
/// REQUIRES: require_remote_host(each); words that need no quoting.
std::vector<RemoteAnswer> ask_hosts(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& words, Duration timeout);

}  // namespace chg
