// Reads NVIDIA GPUs by asking the driver's library.
#pragma once

#include <string>

#include "base/clock.h"
#include "probe/nvidia/wsl.h"
#include "probe/probe.h"

namespace chg {

/// Asks for the GPUs, and for the processes of those that have memory in use or do not tell. Where
/// these cannot be listed the GPU has an `error`: it cannot be told from a free one. `library` is
/// loaded as dlopen finds it. `in_wsl`: the processes of Windows are listed, too (note_windows).
///
/// There is no timeout: the library may hang in the kernel, crash, or print. Let read_isolated call
/// this.
ReadResult read_nvml(const Clock& clock, const std::string& library = "libnvidia-ml.so.1",
                     bool in_wsl = is_wsl());

}  // namespace chg
