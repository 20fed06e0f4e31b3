// Which processes there are.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace chg {

/// The pids of all processes that can be seen from here.
std::vector<int> all_pids();

/// What `ask` says of each of `pids`, of which it says anything: a text without NULs. It is asked
/// in a process apart, since reading another's memory (/proc/PID/environ, /proc/PID/cmdline) hangs
/// where that is locked; a process for which it hangs, and what is not asked within the timeout, is
/// left out. REQUIRES: one thread.
std::vector<std::pair<int, std::string>> texts_of(const std::vector<int>& pids,
                                                  const std::function<std::string(int)>& ask,
                                                  Duration timeout);

/// Those of `pids` for which `is_meant`, asked in the same way.
std::vector<int> pids_where(const std::vector<int>& pids, const std::function<bool(int)>& is_meant,
                            Duration timeout);

}  // namespace chg
