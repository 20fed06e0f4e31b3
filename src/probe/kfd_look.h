// One look at AMD GPUs through the driver's own files.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/observation.h"

namespace chg {

/// Reads all GPUs under `root`, with their processes as far as the driver and /proc list them:
/// pids, memory and types. Empty when the driver shows no GPU.
std::vector<GpuReading> look_at_kfd(const std::string& root);

/// The same in bounded time: a driver that is stuck holds whoever reads its files. Throws Error
/// when the deadline has passed; the reading is then left behind, in a thread of its own.
std::vector<GpuReading> look_at_kfd(const std::string& root, std::chrono::nanoseconds deadline);

}  // namespace chg
