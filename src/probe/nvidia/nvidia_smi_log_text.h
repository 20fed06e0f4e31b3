// What nvidia-smi prints for people and has in no CSV: `-L` and `-q -d PIDS`, as values. Pure.
// Lines that are not understood are passed over.
#pragma once

#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// Puts the MIG devices that `nvidia-smi -L` lists on their GPUs, by UUID: "GPU 0: NVIDIA H100
/// (UUID: GPU-…)", and below it "  MIG 1g.10gb  Device  0: (UUID: MIG-…)". It tells no memory.
void add_mig_devices(std::vector<GpuReading>& gpus, std::string_view list);

/// Puts the processes that only draw (type "G") on their GPUs, by PCI address, as `nvidia-smi -q -d
/// PIDS` tells them. One that is listed already stays as it is. `in_wsl` as in parse_processes.
void add_graphics_processes(std::vector<GpuReading>& gpus, std::string_view log,
                            bool in_wsl = false);

}  // namespace chg
