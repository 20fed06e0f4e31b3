#include "probe/amd/amd_identity.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/number.h"
#include "base/pci_address.h"

namespace chg {
namespace {

constexpr std::string_view kUuidPrefix = "GPU-";
constexpr std::size_t kUuidDigits = 16;

}  // namespace

std::string amd_uuid(std::uint64_t unique_id, const std::string& pci_bus_id, int partition) {
  if (unique_id != 0) return fmt::format("{}{:016x}", kUuidPrefix, unique_id);
  if (pci_bus_id.empty()) return "";
  const std::string suffix = partition == 0 ? "" : "-" + std::to_string(partition);
  return "PCI-" + pci_bus_id + suffix;
}

std::string readable_model(const std::string& name) {
  const bool is_number = name.starts_with("0x") || name.starts_with("0X") ||
                         name.find_first_not_of("0123456789 ") == std::string::npos;
  return is_number || name == "N/A" ? "" : name;
}

std::optional<std::uint64_t> unique_id_of(std::string_view uuid) {
  if (!uuid.starts_with(kUuidPrefix)) return std::nullopt;
  uuid.remove_prefix(kUuidPrefix.size());
  return uuid.size() == kUuidDigits ? parse<std::uint64_t>(uuid, 16) : std::nullopt;
}

void put_in_bus_order(std::vector<GpuReading>& gpus) {
  const auto unknown = std::stable_partition(gpus.begin(), gpus.end(), [](const GpuReading& gpu) {
    return parse_pci_address(gpu.pci_bus_id).has_value();
  });
  std::stable_sort(gpus.begin(), unknown, [](const GpuReading& a, const GpuReading& b) {
    return parse_pci_address(a.pci_bus_id) < parse_pci_address(b.pci_bus_id);
  });
  std::map<std::string, int> holders;
  for (const GpuReading& gpu : gpus) ++holders[gpu.uuid];
  int index = 0;
  for (GpuReading& gpu : gpus) {
    gpu.index = index++;
    if (holders[gpu.uuid] > 1) gpu.uuid = amd_uuid(0, gpu.pci_bus_id);
  }
}

}  // namespace chg
