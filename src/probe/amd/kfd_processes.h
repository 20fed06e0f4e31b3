// Which processes compute on AMD GPUs, as the driver lists them.
//
// Source of names and units: kfd_process.c of Linux. Under /sys/class/kfd/kfd/proc/PID there are
// `vram_GPUID` (bytes) and `queues/ID/gpuid`; a further context of the process is a folder
// `context_ID` with the same files. PIDs are those of the host, whatever the reader's namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/observation.h"
#include "probe/amd/kfd_topology.h"

namespace chg {

struct DriverUse {
  int pid = 0;
  std::uint32_t gpu_id = 0;                 ///< as in KfdNode
  std::optional<std::uint64_t> vram_bytes;  ///< nullopt when it may not be read
  bool has_queue = false;

  bool operator==(const DriverUse&) const = default;
};

/// Every use of a GPU by a process that lives: it holds memory there, or has a queue, or may not be
/// asked. In the order of pids. nullopt when the list cannot be read.
std::optional<std::vector<DriverUse>> read_driver_uses(const std::string& root);

/// Puts each process on the GPU that it uses. `gpus` were read of these nodes (read_kfd_gpus).
void add_driver_uses(std::vector<GpuReading>& gpus, const std::vector<KfdNode>& nodes,
                     const std::vector<DriverUse>& uses);

}  // namespace chg
