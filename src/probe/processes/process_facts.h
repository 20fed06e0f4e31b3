// What /proc tells of processes, in bounded time: who reads the command line or the environment of
// a process that is stuck in the kernel with its memory locked is stuck with it.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/isolation.h"
#include "core/observation.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// Fills each of them in as ProcReader does, by bounded_map. A process that hangs keeps what was
/// read of it before (start, owner, kernel's name, control group), and hides no other. What cannot
/// be read before the timeout stays as it was. Never takes more than 0.2 s longer than the
/// timeout, and where there is nothing to fill in, no time. REQUIRES: one thread.
void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration timeout);

/// The two halves of fill_in_time, for callers that already run isolated. Asks /proc about the
/// processes from the place `begin` on. Each is noted when it is begun, before its memory and that
/// of its ancestors is read, and when it is done.
void note_facts(const std::vector<GpuProcess*>& processes, std::size_t begin, ProcReader& proc,
                Notes& notes);

/// Enters the notes up to where they are damaged, and marks the processes as asked about. Returns
/// the place behind the last one that was begun.
std::size_t enter_facts(std::string_view notes, std::size_t begin,
                        const std::vector<GpuProcess*>& processes);

/// The processes that are listed on the GPUs.
std::vector<GpuProcess*> listed_processes(Observation& observation);

}  // namespace chg
