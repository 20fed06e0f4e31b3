// Reads the GPUs in a process of its own: a vendor's library may crash, hang, print, or get stuck
// in the kernel, and none of that may reach the program.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// Runs `read` by run_isolated, under this name, and gives what it gave, or why it gave nothing.
/// What `read` throws is a failure with the reason Other. `proc`, where there is one, is asked
/// about the listed processes by the same process, after `read`; that it hangs or crashes then is
/// no failure. REQUIRES: one thread.
ReadResult read_isolated(const std::string& name, const std::function<ReadResult()>& read,
                         Duration timeout, const std::optional<ProcReader>& proc = std::nullopt);

}  // namespace chg
