// What it means when NVML answers with a code instead of a value, or nvidia-smi with something else
// than readings.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "probe/probe.h"

namespace chg {

/// What NVML's functions return ("nvmlReturn_t" in the NVML API reference,
/// https://docs.nvidia.com/deploy/nvml-api), as far as it matters here. nvidia-smi ends with the
/// same numbers (nvidia-smi(1), RETURN VALUE).
namespace nvml_code {
inline constexpr int kSuccess = 0;
inline constexpr int kInvalidArgument = 2;
inline constexpr int kNotSupported = 3;
inline constexpr int kNoPermission = 4;
inline constexpr int kNotFound = 6;
inline constexpr int kInsufficientSize = 7;
inline constexpr int kInsufficientPower = 8;
inline constexpr int kDriverNotLoaded = 9;
inline constexpr int kInterruptIssue = 10;
inline constexpr int kLibraryNotFound = 12;
inline constexpr int kFunctionNotFound = 13;
inline constexpr int kCorruptedInforom = 14;
inline constexpr int kGpuIsLost = 15;
inline constexpr int kResetRequired = 16;
inline constexpr int kOperatingSystem = 17;
inline constexpr int kVersionMismatch = 18;
inline constexpr int kArgumentVersionMismatch = 25;
inline constexpr int kUnknown = 999;
}  // namespace nvml_code

/// Why NVML gives nothing at all.
ReadFailure nvml_failure(int code);

/// What is wrong with one GPU, in a few words: "GPU is lost".
std::string nvml_gpu_error(int code);

/// The failure that nvidia-smi reported: one line for people, and what to do about it. The texts of
/// nvidia-smi decide (it prints them on stdout, sometimes with exit status 0), then its exit
/// status; what neither explains is quoted. `exit_status` as in ToolOutput.
Error nvidia_smi_error(std::string_view out, std::string_view err, int exit_status);

/// What to do about failures that are found elsewhere.
namespace nvidia_hints {
inline constexpr const char* kInstallLibrary =
    "install the NVIDIA driver's libraries; a container gets them from the NVIDIA container "
    "toolkit";
inline constexpr const char* kFindGpus =
    "look at `lspci | grep -i nvidia` and dmesg; a container must be started with GPUs";
inline constexpr const char* kUpdateDriver =
    "update the NVIDIA driver: version 450 or newer is needed";
/// Where the answer did not come within this time.
std::string when_late(Duration timeout);
}  // namespace nvidia_hints

}  // namespace chg
