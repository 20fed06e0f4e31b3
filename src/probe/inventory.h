// What this host has for reading GPUs: drivers, libraries, tools, device files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

/// A file that must be there, and whether the caller may read and write it.
struct DeviceFile {
  std::string path;
  bool is_usable = false;

  bool operator==(const DeviceFile&) const = default;
};

struct Inventory {
  std::optional<std::string> nvidia_driver;  ///< "550.54.14"; nullopt: not in this kernel
  std::optional<std::string> nvml_failure;   ///< why libnvidia-ml.so.1 cannot be loaded
  std::optional<std::string> nvidia_smi;     ///< its path
  std::optional<std::string> amd_smi;        ///< its path
  bool has_kfd = false;                      ///< the kernel has AMD's compute driver
  std::vector<DeviceFile> devices;           ///< of GPUs, in alphabetical order
};

/// Which GPUs this process may use, by their device files: "/dev/nvidia0 /dev/nvidia1". Where there
/// is none, "uid N". Whoever has the same sees the same GPUs. `uid`: its own; `root` as below.
std::string view_of_gpus(std::uint32_t uid, const std::string& root = "");

/// Takes stock without asking any driver. NVIDIA's library is loaded in a process of its own,
/// which has `timeout` for it. `root` is put before each path; "" for the system's. REQUIRES: one
/// thread.
Inventory take_inventory(Duration timeout, const std::string& root = "");

/// "nvidia", "amd", or "" where there are signs of neither.
std::string provider_of(const Inventory& inventory);

}  // namespace chg
