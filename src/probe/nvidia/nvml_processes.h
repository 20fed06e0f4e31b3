// The processes of a GPU, from the lists in which NVML has them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/observation.h"
#include "probe/nvidia/nvml_library.h"

namespace chg {

/// Bytes as MiB, rounded to the nearest, as nvidia-smi does it; nullopt for more than any machine
/// has (2^36 MiB): that is no answer.
std::optional<std::uint64_t> mib_to_nearest(std::uint64_t bytes);

/// What one list says.
struct NvmlListed {
  NvmlList list = NvmlList::Compute;
  std::vector<NvmlProcess> processes;
};

/// The lists of one GPU or MIG device, as processes in the order of their pids. A process that is
/// in several lists is one; each list tells all of its memory, so the largest counts. Only what is
/// in the list of graphics processes alone is a graphics process. Memory is missing where any of
/// the lists doesn't tell it. A pid that is no pid is left out: see has_unknown_process.
std::vector<GpuProcess> merge_lists(const std::vector<NvmlListed>& lists);

/// Whether there is a process without a pid: something runs there, and NVML doesn't tell what.
bool has_unknown_process(const std::vector<NvmlListed>& lists);

/// The processes of a GPU in MIG mode, in the order of their pids. One that is on several MIG
/// devices holds memory on each of them. The list of the whole GPU is complete only for the
/// privileged: it adds what is on no MIG device's list.
std::vector<GpuProcess> merge_mig_devices(const std::vector<std::vector<GpuProcess>>& devices,
                                          const std::vector<GpuProcess>& whole);

}  // namespace chg
