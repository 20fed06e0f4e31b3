// What /proc tells of processes, in bounded time: who reads the command line or the environment of
// a process that is stuck in the kernel with its memory locked is stuck with it.
#pragma once

#include <cstddef>
#include <vector>

#include "base/isolation.h"
#include "base/packed.h"
#include "core/observation.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// Fills each of them in as ProcReader does, by run_isolated. A process that hangs keeps what was
/// read of it before (start, owner, kernel's name, control group), and hides no other. What can't
/// be read before the deadline stays as it was. Never takes more than 0.2 s longer than the
/// deadline, and where there is nothing to fill in, no time. REQUIRES: one thread.
void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration deadline);

/// The two halves of it, for who is in a process of its own for another reason. Asks /proc about
/// the processes from the place `begin` on, and notes each one down when it begins with it, before
/// it reads its memory, and when it is done.
void note_facts(const std::vector<GpuProcess*>& processes, std::size_t begin, ProcReader& proc,
                Notes& notes);

/// Enters what was noted down. The place behind the last one that was begun. Throws Error where the
/// rest of the notes is damaged.
std::size_t enter_facts(Unpacker& noted, std::size_t begin,
                        const std::vector<GpuProcess*>& processes);

/// The processes that are listed on the GPUs.
std::vector<GpuProcess*> listed_processes(Observation& observation);

}  // namespace chg
