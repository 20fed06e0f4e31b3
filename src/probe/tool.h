// Runs a GPU tool and gives what it printed, in bounded time.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

struct ToolOutput {
  std::string out;          ///< its standard output
  std::string err;          ///< its standard error
  int exit_status = 0;      ///< as a shell says it: 128 + N when signal N ended it
  bool was_killed = false;  ///< a signal ended it: its output may break off anywhere
};

/// Runs `argv`, looked up in PATH, without a shell and with an empty stdin, and waits for its end.
///
/// Everything together takes no longer than `timeout`, counted from `started`. A tool that is late
/// is killed, with its process group; one that cannot be killed (stuck in the kernel) is left
/// behind. What the tool leaves running in its process group when it ends is killed too, and
/// nothing that keeps its output open delays the answer. The tool starts with no signal blocked or
/// ignored.
///
/// Throws Error when the program cannot be started, when the timeout has passed (then with the hint
/// `when_late`), when it prints more than 16 MiB.
ToolOutput run_tool(const std::vector<std::string>& argv, Duration timeout,
                    SteadyClock::time_point started = SteadyClock::now(),
                    const std::string& when_late = "a GPU or its driver may be stuck: see dmesg");

}  // namespace chg
