#include "probe/inventory.h"

#include <algorithm>
#include <filesystem>

#include <dlfcn.h>
#include <unistd.h>

#include "base/file_text.h"
#include "base/find_program.h"
#include "base/isolation.h"
#include "base/text.h"

namespace chg {
namespace {

namespace fs = std::filesystem;

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024", or the
// same of the open one: "… Open Kernel Module for x86_64  550.54.14  Release Build …": the version
// is the first word of digits and dots.
std::optional<std::string> nvidia_driver(const std::string& root) {
  const auto text = read_file(root + "/proc/driver/nvidia/version");
  if (!text || text->empty()) return std::nullopt;
  std::string_view rest = *text;
  std::string_view line = cut(rest, '\n');
  while (!line.empty()) {
    const std::string_view word = cut(line, ' ');
    const bool is_version = word.find_first_not_of("0123456789.") == std::string::npos &&
                            word.find('.') != std::string::npos;
    if (is_version) return std::string(word);
  }
  return "of unknown version";
}

constexpr const char* kLibrary = "libnvidia-ml.so.1";

// Notes down why the library cannot be loaded, if so.
void try_library(Notes& notes) {
  if (::dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL) != nullptr) return;
  const char* reason = ::dlerror();
  notes.add(reason == nullptr ? "it cannot be loaded" : reason);
}

std::optional<std::string> nvml_failure(Duration timeout) {
  const IsolatedEnd end = run_isolated(std::string("loading ") + kLibrary, try_library, {timeout});
  if (end.failure) return end.failure->error.what();
  return end.notes.empty() ? std::nullopt : std::optional(end.notes);
}

bool has_prefix_and_number(const std::string& name, const std::string& prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

bool is_of_a_gpu(const fs::path& path) {
  const std::string name = path.filename();
  return name == "nvidiactl" || name == "nvidia-uvm" || name == "kfd" ||
         has_prefix_and_number(name, "nvidia") || has_prefix_and_number(name, "renderD");
}

std::vector<DeviceFile> devices(const std::string& root) {
  std::vector<DeviceFile> found;
  for (const char* folder : {"/dev", "/dev/dri"}) {
    std::error_code problem;
    fs::directory_iterator entry(root + folder, problem);
    for (; !problem && entry != fs::directory_iterator(); entry.increment(problem)) {
      if (!is_of_a_gpu(entry->path())) continue;
      const std::string path = entry->path();
      found.push_back({path.substr(root.size()), ::access(path.c_str(), R_OK | W_OK) == 0});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const DeviceFile& a, const DeviceFile& b) { return a.path < b.path; });
  return found;
}

}  // namespace

std::string view_of_gpus(std::uint32_t uid, const std::string& root) {
  std::string view;
  for (const DeviceFile& device : devices(root)) {
    if (device.is_usable) view += (view.empty() ? "" : " ") + device.path;
  }
  return view.empty() ? "uid " + std::to_string(uid) : view;
}

Inventory take_inventory(Duration timeout, const std::string& root) {
  Inventory inventory;
  inventory.nvidia_driver = nvidia_driver(root);
  inventory.nvml_failure = nvml_failure(timeout);
  inventory.nvidia_smi = find_program("nvidia-smi");
  inventory.amd_smi = find_program("amd-smi");
  std::error_code problem;
  inventory.has_kfd = fs::exists(root + "/sys/class/kfd/kfd/topology", problem);
  inventory.devices = devices(root);
  return inventory;
}

std::string provider_of(const Inventory& inventory) {
  // A driver says more than a library or a tool, which any package may have brought.
  if (inventory.nvidia_driver) return "nvidia";
  if (inventory.has_kfd) return "amd";
  if (!inventory.nvml_failure || inventory.nvidia_smi) return "nvidia";
  if (inventory.amd_smi) return "amd";
  return "";
}

}  // namespace chg
