// What it means when NVML answers with a code instead of a value.
#pragma once

#include <string>

#include "probe/probe.h"

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
ReadFailure nvml_failure(int code);

/// What is wrong with one GPU, in a few words: "GPU is lost".
std::string nvml_gpu_error(int code);

/// What to do about the failures of NVIDIA's driver, whichever tool reports them.
namespace nvidia_hints {

inline constexpr const char* kLoadDriver =
    "load the driver with `sudo modprobe nvidia`, or install it again for this kernel; dmesg tells "
    "why it does not load";
inline constexpr const char* kInstallLibrary =
    "install the NVIDIA driver's libraries; a container gets them from the NVIDIA container "
    "toolkit";
inline constexpr const char* kMatchVersions =
    "the NVIDIA driver was updated while the old kernel module is loaded: reboot, or reload it";
inline constexpr const char* kFindGpus =
    "look at `lspci | grep -i nvidia` and dmesg; a container must be started with GPUs";
inline constexpr const char* kGetPermission =
    "look at the permissions of /dev/nvidia*, and of the container if this is one";
inline constexpr const char* kReset =
    "stop what uses it and run `sudo nvidia-smi --gpu-reset`, or reboot";
inline constexpr const char* kReboot =
    "see dmesg for Xid messages; a reboot may bring the GPU back";
inline constexpr const char* kUpdateDriver =
    "update the NVIDIA driver: version 450 or newer is needed";
inline constexpr const char* kLostInContainer =
    "a container loses its GPUs when the host runs `systemctl daemon-reload`: restart it, or else "
    "see "
    "dmesg";
}  // namespace nvidia_hints

}  // namespace chg
