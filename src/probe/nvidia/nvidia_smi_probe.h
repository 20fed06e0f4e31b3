// Reads NVIDIA GPUs by asking nvidia-smi.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "core/observation.h"
#include "probe/nvidia/wsl.h"

namespace chg {

/// Asks for the GPUs, and for processes only when some GPU has memory in use or does not tell.
/// Processes that cannot be listed at all are an Error too: their GPUs cannot be told from free
/// ones. `timeout`, counted from `started`, is for one reading, with all the questions that it
/// asks. `program` is looked up in PATH. `in_wsl` as in parse_processes.
///
/// Asks for the MIG devices of GPUs in MIG mode, whose memory is not told: such a GPU that uses
/// memory, and of which no process is listed, has an `error`. Asks for the processes that only draw
/// where more than `unlisted_max_mib` belongs to no other. What these two questions would tell is
/// missing where nvidia-smi does not answer them. Asks again, without them, where it does not know
/// some columns.
Observation read_nvidia_smi(const Clock& clock, Duration timeout,
                            SteadyClock::time_point started = SteadyClock::now(),
                            const std::string& program = "nvidia-smi",
                            std::uint64_t unlisted_max_mib = 0, bool in_wsl = is_wsl());

}  // namespace chg
