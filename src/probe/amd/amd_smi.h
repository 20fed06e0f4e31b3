// Reads AMD GPUs through amd-smi.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/observation.h"

namespace chg {

/// Where amd-smi is, and the time within which it has to answer everything that is asked.
struct AmdSmi {
  std::string program;
  Duration timeout{};
  SteadyClock::time_point started;
};

/// All GPUs in PCI bus order, with the processes that the tool lists: pids, names and memory. A GPU
/// whose processes amd-smi does not tell has that in its `error`. Throws Error when the GPUs, their
/// memory or their processes cannot be read at all.
std::vector<GpuReading> read_gpus_by_amd_smi(const AmdSmi& tool);

/// "amd-smi 26.2", or "amd-smi" when it does not tell its version, in time or at all.
std::string amd_smi_source(const AmdSmi& tool);

/// Takes those processes from a GPU that are another's: amd-smi lists a process under every GPU
/// with the memory that it holds on one. It is another's where it would hold more than is in use on
/// this one, and is listed on one that has as much in use.
void drop_processes_of_others(std::vector<GpuReading>& gpus);

}  // namespace chg
