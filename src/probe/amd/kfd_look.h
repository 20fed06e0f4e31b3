// One look at AMD GPUs through the driver's own files.
#pragma once

#include <string>
#include <vector>

#include "core/observation.h"

namespace chg {

/// Reads all GPUs under `root`, with their processes as far as the driver and /proc list them:
/// pids, memory and types. Empty when the driver shows no GPU. A driver that is stuck holds whoever
/// reads its files.
std::vector<GpuReading> look_at_kfd(const std::string& root);

}  // namespace chg
