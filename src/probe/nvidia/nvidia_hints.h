// What to do about the failures of NVIDIA's tools, whichever of them tells.
#pragma once

namespace chg::nvidia_hints {

inline constexpr const char* kLoadDriver =
    "Load the driver with `sudo modprobe nvidia`, or install it again for this kernel; dmesg tells "
    "why it doesn't load.";
inline constexpr const char* kInstallLibrary =
    "Install the NVIDIA driver's libraries; a container gets them from the NVIDIA container "
    "toolkit.";
inline constexpr const char* kMatchVersions =
    "The NVIDIA driver was updated while the old kernel module is loaded: reboot, or reload it.";
inline constexpr const char* kFindGpus =
    "Look at `lspci | grep -i nvidia` and dmesg; a container must be started with GPUs.";
inline constexpr const char* kGetPermission =
    "Look at the permissions of /dev/nvidia*, and of the container if this is one.";
inline constexpr const char* kReset =
    "Stop what uses it and run `sudo nvidia-smi --gpu-reset`, or reboot.";
inline constexpr const char* kReboot =
    "See dmesg for Xid messages; a reboot may bring the GPU back.";
inline constexpr const char* kUpdateDriver =
    "Update the NVIDIA driver: version 450 or newer is needed.";
inline constexpr const char* kLostInContainer =
    "A container loses its GPUs when the host runs `systemctl daemon-reload`: restart it. Else see "
    "dmesg.";

}  // namespace chg::nvidia_hints
