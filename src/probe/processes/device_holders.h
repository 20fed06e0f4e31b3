// The processes that have a GPU's device open, for memory that belongs to no listed process.
#pragma once

#include <string>
#include <vector>

#include "core/observation.h"
#include "core/policy.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// The device files of the GPU at this PCI bus id: /dev/nvidiaN as the NVIDIA driver numbers it
/// (which is not the index of nvidia-smi), and those of DRM. `root` is put before each path that is
/// read; "" for the system's.
std::vector<std::string> device_files(const std::string& pci_bus_id, const std::string& root = "");

/// Whether this process may use every GPU that a driver of the kernel has ("nvidia", "amdgpu"): one
/// of its device files can be opened for reading and writing. True where the driver has none.
bool may_use_all_devices(const std::string& driver, const std::string& root = "");

/// The processes that have any of these files open, in the order of their pids. Those of other
/// accounts are only seen by root. `proc`: where /proc is mounted.
std::vector<int> holders_of(const std::vector<std::string>& files,
                            const std::string& proc = "/proc");

/// Names the suspects of each GPU with memory in use, beyond `policy.memory_threshold_mib`, that
/// belongs to no listed process. What /proc does not tell of them within `timeout` is missing.
void find_suspects(Observation& observation, const Policy& policy, ProcReader& proc,
                   Duration timeout);

}  // namespace chg
