// What NVIDIA's driver says of the health of a GPU that works. Pure.
#pragma once

#include <string_view>

#include "core/observation.h"

namespace chg {

/// Notes what the driver wants done about the GPU: by its number in NVML
/// (nvmlDeviceGpuRecoveryAction_t), or as nvidia-smi says it ("Drain and Reset"). Where that is a
/// reset or a reboot, as known or new words say, nobody may be given the GPU before it. "None", and
/// what is no answer ("[N/A]"), note nothing. The reading's index must be known.
void note_recovery(GpuReading& reading, unsigned action);
void note_recovery(GpuReading& reading, std::string_view action);

/// Notes that memory was found faulty, and that the GPU works around it only after a reset.
void note_faulty_memory(GpuReading& reading);

}  // namespace chg
