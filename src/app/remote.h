// Asks other hosts by ssh.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

struct RemoteAnswer {
  std::string host;
  std::string text;   ///< what its canhazgpu printed; any bytes, 16 MiB at most
  std::string error;  ///< why there is no text; "" if there is
  std::string hint;
};

/// Runs `canhazgpu WORDS` on all of these hosts at the same time and waits for the last. After
/// `timeout` an ssh is killed, with all that it has started. ssh has neither terminal nor input,
/// and never asks for a password. A host that fails has an answer with an error; nothing is thrown.
/// REQUIRES: require_remote_host(each); words that need no quoting.
std::vector<RemoteAnswer> ask_hosts(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& words, Duration timeout);

}  // namespace chg
