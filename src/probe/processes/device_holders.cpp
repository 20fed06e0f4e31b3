#include "probe/processes/device_holders.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "probe/processes/process_facts.h"
#include "probe/sysfs.h"

namespace chg {
namespace {

// The names in a folder; none where it cannot be read.
std::vector<std::string> readable_names_in(const std::string& folder) {
  return names_in(folder).value_or(std::vector<std::string>());
}

// The driver's file has a line "Device Minor: \t 3".
std::optional<std::uint64_t> nvidia_minor(const std::string& pci_bus_id, const std::string& root) {
  const std::string file =
      read_sysfs(root + "/proc/driver/nvidia/gpus/" + pci_bus_id + "/information").value_or("");
  std::string_view text = file;
  while (!text.empty()) {
    std::string_view value = cut(text, '\n');
    if (cut(value, ':') == "Device Minor") return parse<std::uint64_t>(trimmed(value));
  }
  return std::nullopt;
}

bool has_open(const std::string& process, const std::vector<std::string>& files) {
  const UniqueFd folder(::open((process + "/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return false;
  for (const std::string& name : readable_names_in(process + "/fd")) {
    std::array<char, 256> target{};
    const ssize_t length = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
    if (length <= 0) continue;
    const std::string_view opened(target.data(), static_cast<std::size_t>(length));
    if (std::find(files.begin(), files.end(), opened) != files.end()) return true;
  }
  return false;
}

bool lists(const GpuReading& gpu, int pid) {
  return std::any_of(gpu.processes.begin(), gpu.processes.end(), [&](const GpuProcess& process) {
    return process.pid == pid && !process.outside;
  });
}

}  // namespace

std::vector<std::string> device_files(const std::string& pci_bus_id, const std::string& root) {
  std::vector<std::string> files;
  // It becomes a part of paths, and may come from a file that anybody can write.
  const std::optional<PciAddress> address = parse_pci_address(pci_bus_id);
  if (!address) return files;
  const std::string name_of_gpu = to_text(*address);
  if (const auto minor = nvidia_minor(name_of_gpu, root)) {
    files.push_back("/dev/nvidia" + std::to_string(*minor));
  }
  for (const std::string& name :
       readable_names_in(root + "/sys/bus/pci/devices/" + name_of_gpu + "/drm")) {
    if (name.starts_with("card") || name.starts_with("renderD"))
      files.push_back("/dev/dri/" + name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool may_use_all_devices(const std::string& driver, const std::string& root) {
  const auto devices = readable_names_in(root + "/sys/bus/pci/drivers/" + driver);
  return std::all_of(devices.begin(), devices.end(), [&](const std::string& name) {
    if (!parse_pci_address(name)) return true;  // "bind", "module"
    const std::vector<std::string> files = device_files(name, root);
    return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
      return ::access((root + file).c_str(), R_OK | W_OK) == 0;
    });
  });
}

std::vector<int> holders_of(const std::vector<std::string>& files, const std::string& proc) {
  std::vector<int> holders;
  if (files.empty()) return holders;
  for (const std::string& name : readable_names_in(proc)) {
    const std::optional<int> pid = parse<int>(name);
    if (pid && has_open(proc + "/" + name, files)) holders.push_back(*pid);
  }
  std::sort(holders.begin(), holders.end());
  return holders;
}

void find_suspects(Observation& observation, const Policy& policy, ProcReader& proc,
                   Duration timeout) {
  for (GpuReading& gpu : observation.gpus) {
    if (unlisted_memory_mib(gpu).value_or(0) <= policy.memory_threshold_mib) continue;
    if (gpu.devices.empty()) gpu.devices = device_files(gpu.pci_bus_id);
    for (const int pid : holders_of(gpu.devices)) {
      if (lists(gpu, pid)) continue;
      gpu.suspects.emplace_back().pid = pid;
    }
  }
  std::vector<GpuProcess*> suspects;
  for (GpuReading& gpu : observation.gpus) {
    for (GpuProcess& suspect : gpu.suspects) suspects.push_back(&suspect);
  }
  fill_in_time(suspects, proc, timeout);
}

}  // namespace chg
