// UUIDs in the form of NVIDIA's, of made-up GPUs.
#pragma once

#include <string>

#include "probe/nvidia/nvidia_smi_text.h"

namespace chg {

/// The columns of rows that end with mig.mode.current.
inline const GpuColumns kToMigMode = first_columns(kGpuColumnsNeeded + 1);

/// All but the last digit.
inline constexpr const char* kUuid = "GPU-5f3a0c1e-0000-4b00-8000-00000000000";

inline std::string uuid(int number) { return kUuid + std::to_string(number); }

}  // namespace chg
