// What it means when NVML answers with a code instead of a value.
#pragma once

#include <string>

#include "probe/look_result.h"

namespace chg {

/// What NVML's functions return ("nvmlReturn_t" in the NVML API reference,
/// https://docs.nvidia.com/deploy/nvml-api), as far as it matters here.
namespace nvml_code {
inline constexpr int kSuccess = 0;
inline constexpr int kInvalidArgument = 2;
inline constexpr int kNotSupported = 3;
inline constexpr int kNoPermission = 4;
inline constexpr int kNotFound = 6;
inline constexpr int kInsufficientSize = 7;
inline constexpr int kDriverNotLoaded = 9;
inline constexpr int kLibraryNotFound = 12;
inline constexpr int kFunctionNotFound = 13;
inline constexpr int kGpuIsLost = 15;
inline constexpr int kResetRequired = 16;
inline constexpr int kOperatingSystem = 17;
inline constexpr int kVersionMismatch = 18;
inline constexpr int kArgumentVersionMismatch = 25;
inline constexpr int kUnknown = 999;
}  // namespace nvml_code

/// Why NVML gives nothing at all.
LookFailure nvml_failure(int code);

/// What is wrong with one GPU, in a few words: "GPU is lost".
std::string nvml_gpu_error(int code);

}  // namespace chg
