// Reads NVIDIA GPUs, in the best way that this host offers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/observation.h"
#include "probe/processes/proc_reader.h"

namespace chg {

/// Where to read them. The defaults are for the real ones.
struct NvidiaSources {
  std::string library = "libnvidia-ml.so.1";  ///< as for dlopen
  std::string program = "nvidia-smi";         ///< looked up in PATH
  std::uint64_t unlisted_max_mib = 0;         ///< as read_nvidia_smi takes it
};

/// Asks the driver's library, in a process of its own, or where that cannot be used (it is missing,
/// too old, of another version than the driver, or crashes) nvidia-smi; the source says so:
/// "nvidia-smi (NVML: library not found)". Driver failures and timeouts are final: nvidia-smi would
/// report the same. Where nvidia-smi is not installed, the Error is the library's.
///
/// `timeout` is for one reading, with all that it tries. `proc` is as for read_isolated. REQUIRES:
/// one thread.
Observation read_nvidia(const Clock& clock, Duration timeout,
                        const std::optional<ProcReader>& proc = std::nullopt,
                        const NvidiaSources& sources = {});

}  // namespace chg
