// What /proc tells of processes, in bounded time: who reads the command line or the environment of
// a process that is stuck in the kernel with its memory locked is stuck with it.
#pragma once

#include <vector>

#include "core/observation.h"
#include "probe/proc_reader.h"

namespace chg {

/// Fills each of them in as ProcReader does, by run_isolated. A process that hangs keeps what was
/// read of it before (start, owner, kernel's name, control group), and hides no other. What can't
/// be read before the deadline stays as it was. Never takes more than 0.2 s longer than the
/// deadline, and where there is nothing to fill in, no time. REQUIRES: one thread.
void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration deadline);

/// The processes that are listed on the GPUs.
std::vector<GpuProcess*> listed_processes(Observation& observation);

}  // namespace chg
