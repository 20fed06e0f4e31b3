#include "probe/amd/kfd_gpus.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <unistd.h>

#include "base/number.h"
#include "base/text.h"
#include "probe/amd/amd_identity.h"
#include "probe/sysfs.h"

namespace chg {
namespace {

std::optional<std::uint32_t> hexadecimal(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  return parse<std::uint32_t>(text, 16);
}

// Where the device of a node is in sysfs. A partition has a render node, but that one's device
// tells nothing of memory.
std::string device_folder(const std::string& root, const KfdNode& node) {
  if (node.drm_minor) {
    return fmt::format("{}/sys/class/drm/renderD{}/device", root, *node.drm_minor);
  }
  return root + "/sys/bus/pci/devices/" + node.pci_bus_id;
}

// gpu_metrics begins with its size (2 bytes) and the revision of its format, which is 1 for cards
// and 2 or 3 for GPUs that are part of a processor (struct metrics_table_header of the driver).
bool is_integrated(const std::string& device) {
  const auto metrics = read_sysfs(device + "/gpu_metrics");
  constexpr std::size_t kFormatRevision = 2;
  if (!metrics || metrics->size() <= kFormatRevision) return false;
  const char revision = (*metrics)[kFormatRevision];
  return revision == 2 || revision == 3;
}

struct Memory {
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> total_bytes;
};

Memory device_memory(const std::string& device) {
  Memory memory;
  memory.used_bytes = read_sysfs_number(device + "/mem_info_vram_used");
  memory.total_bytes = read_sysfs_number(device + "/mem_info_vram_total");
  if (!memory.used_bytes || !memory.total_bytes || !is_integrated(device)) return memory;
  const auto gtt_used = read_sysfs_number(device + "/mem_info_gtt_used");
  const auto gtt_total = read_sysfs_number(device + "/mem_info_gtt_total");
  if (!gtt_used || !gtt_total || *gtt_total <= *memory.total_bytes) return memory;
  return {*memory.used_bytes + *gtt_used, *memory.total_bytes + *gtt_total};
}

Memory node_memory(const std::string& root, const KfdNode& node) {
  const std::string bank =
      fmt::format("{}/sys/class/kfd/kfd/topology/nodes/{}/mem_banks/0", root, node.node_id);
  Memory memory;
  memory.used_bytes = read_sysfs_number(bank + "/used_memory");
  const auto properties = parse_kfd_properties(read_sysfs(bank + "/properties").value_or(""));
  const auto size = properties.find("size_in_bytes");
  if (size != properties.end()) memory.total_bytes = size->second;
  return memory;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// The device of a partition tells nothing, or what the whole card has; and only AMD's own package
// of the driver, not that of Linux, tells what is used of the memory of a node. A device that has
// left the bus is another matter: nothing of it may be known.
void read_memory(GpuReading& gpu, const std::string& root, const std::string& device,
                 const KfdNode& node, bool is_partition) {
  Memory memory = is_partition ? Memory{} : device_memory(device);
  if (!memory.used_bytes) {
    const Memory of_node = node_memory(root, node);
    if (of_node.used_bytes || !memory.total_bytes) memory = of_node;
  }
  const bool has_device_of_partition = exists(device) && !exists(device + "/mem_info_vram_used");
  gpu.memory_not_supported = !memory.used_bytes && (is_partition || has_device_of_partition);
  gpu.memory_used_mib = mib_rounded_up(memory.used_bytes);
  gpu.memory_total_mib = mib_rounded_up(memory.total_bytes);
}

// The first of these sensors that answers, divided by `scale`. Numbers that no card can have are
// no answers.
std::optional<int> sensor(const std::string& hwmon, std::initializer_list<const char*> names,
                          std::uint64_t scale) {
  constexpr std::uint64_t kMax = 100'000;
  for (const char* name : names) {
    const auto value = read_sysfs_number(hwmon + "/" + name);
    if (value && *value / scale <= kMax) return static_cast<int>(*value / scale);
  }
  return std::nullopt;
}

void read_sensors(GpuReading& gpu, const std::string& device) {
  const auto percent = read_sysfs_number(device + "/gpu_busy_percent");
  if (percent && *percent <= 100) gpu.utilization_percent = static_cast<int>(*percent);
  const std::string folder = device + "/hwmon";
  for (const std::string& name : names_in(folder).value_or(std::vector<std::string>())) {
    const std::string hwmon = folder + "/" + name;
    // Milli-degrees: edge, junction. Micro-watts: an average, or on newer cards the moment's.
    gpu.temperature_c = sensor(hwmon, {"temp1_input", "temp2_input"}, 1000);
    gpu.power_w = sensor(hwmon, {"power1_average", "power1_input"}, 1'000'000);
    if (gpu.temperature_c || gpu.power_w) return;
  }
}

std::string model_of(const std::string& root, const std::string& device, const KfdNode& node) {
  const std::string board = readable_model(read_sysfs_line(device + "/product_name"));
  if (!board.empty()) return board;
  const std::string device_id = read_sysfs_line(device + "/device");
  const std::string revision = read_sysfs_line(device + "/revision");
  for (const char* table :
       {"/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids"}) {
    const std::string text = read_sysfs(root + table).value_or("");
    if (const auto name = marketing_name(text, device_id, revision)) return *name;
  }
  return node.architecture.empty() ? "AMD GPU" : "AMD " + node.architecture;
}

// Whether another node is of the same card.
bool is_part_of_card(const std::vector<KfdNode>& nodes, const KfdNode& node) {
  return std::any_of(nodes.begin(), nodes.end(), [&](const KfdNode& other) {
    const bool has_same_id = node.unique_id != 0 && other.unique_id == node.unique_id;
    const bool has_same_place = !node.pci_bus_id.empty() && other.pci_bus_id == node.pci_bus_id;
    return other.node_id != node.node_id && (has_same_id || has_same_place);
  });
}

// Whether another node is of the same device on the bus: its function may be the partition.
bool is_partition(const std::vector<KfdNode>& nodes, const KfdNode& node) {
  const auto device_of = [](const KfdNode& one) {
    return one.pci_bus_id.substr(0, one.pci_bus_id.rfind('.'));
  };
  return node.partition != 0 || std::any_of(nodes.begin(), nodes.end(), [&](const KfdNode& other) {
           return other.node_id != node.node_id && !node.pci_bus_id.empty() &&
                  device_of(other) == device_of(node);
         });
}

bool has_own_id(const std::vector<KfdNode>& nodes, const KfdNode& node) {
  return std::count_if(nodes.begin(), nodes.end(), [&](const KfdNode& other) {
           return other.unique_id == node.unique_id;
         }) == 1;
}

}  // namespace

std::optional<std::string> marketing_name(std::string_view table, std::string_view device,
                                          std::string_view revision) {
  const auto wanted_device = hexadecimal(device);
  const auto wanted_revision = hexadecimal(revision);
  if (!wanted_device || !wanted_revision) return std::nullopt;
  while (!table.empty()) {
    std::string_view line = trimmed(cut(table, '\n'));
    if (line.starts_with('#')) continue;
    if (hexadecimal(cut(line, ',')) != wanted_device) continue;
    if (hexadecimal(cut(line, ',')) != wanted_revision) continue;
    const std::string_view name = trimmed(line);
    if (!name.empty()) return std::string(name);
  }
  return std::nullopt;
}

std::vector<GpuReading> read_kfd_gpus(const std::string& root, const std::vector<KfdNode>& nodes) {
  std::vector<GpuReading> gpus;
  for (const KfdNode& node : nodes) {
    const bool is_part = is_part_of_card(nodes, node);
    GpuReading gpu;
    gpu.runtime_index = static_cast<int>(gpus.size());
    gpu.pci_bus_id = node.pci_bus_id;
    gpu.uuid =
        amd_uuid(has_own_id(nodes, node) ? node.unique_id : 0, node.pci_bus_id, node.partition);
    if (node.pci_bus_id.empty()) {
      gpu.error = "the driver does not tell its PCI address";
      gpu.error_is_final = true;
    }
    if (is_part && node.drm_minor) {
      gpu.devices = {fmt::format("/dev/dri/renderD{}", *node.drm_minor)};
    }
    const std::string device = device_folder(root, node);
    gpu.model = model_of(root, device, node);
    read_memory(gpu, root, device, node, is_partition(nodes, node));
    read_sensors(gpu, device);
    gpus.push_back(std::move(gpu));
  }
  put_in_bus_order(gpus);
  return gpus;
}

}  // namespace chg
