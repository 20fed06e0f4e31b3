#include "probe/amd/kfd_topology.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <fmt/format.h>
#include <unistd.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "probe/sysfs.h"

namespace chg {
namespace {

using Properties = std::map<std::string, std::uint64_t>;

std::optional<std::uint32_t> property(const Properties& properties, const char* name) {
  const auto found = properties.find(name);
  if (found == properties.end() || found->second > std::numeric_limits<std::uint32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(found->second);
}

struct Place {
  std::string pci_bus_id;
  int partition = 0;
};

Place place_of(const Properties& properties) {
  constexpr std::uint32_t kPartitionShift = 28;
  const auto location = property(properties, "location_id");
  if (!location) return {};
  const std::uint32_t partition = *location >> kPartitionShift;
  const std::uint32_t address = *location ^ (partition << kPartitionShift);
  if (address > 0xffff) return {};
  const std::uint32_t domain = property(properties, "domain").value_or(0);
  return {to_text({domain, address >> 8, (address >> 3) & 0x1f, address & 7}),
          static_cast<int>(partition)};
}

// 90402 is gfx942 and 90010 is gfx90a: two decimal digits for each part but the first, of which
// the name has the last two in hexadecimal.
std::string architecture(const Properties& properties) {
  const std::uint32_t version = property(properties, "gfx_target_version").value_or(0);
  if (version == 0) return {};
  return fmt::format("gfx{}{:x}{:x}", version / 10000, version / 100 % 100, version % 100);
}

std::optional<int> drm_minor(const Properties& properties) {
  const std::uint32_t minor = property(properties, "drm_render_minor").value_or(0);
  // Minors have 20 bits; those of render nodes begin at 128.
  if (minor == 0 || minor >= 1U << 20) return std::nullopt;
  return static_cast<int>(minor);
}

std::optional<KfdNode> read_node(const std::string& folder, const std::string& name) {
  const auto node_id = parse<int>(name);
  const auto gpu_id = parse<std::uint32_t>(read_sysfs_line(folder + "/" + name + "/gpu_id"));
  if (!node_id || *node_id < 0 || gpu_id.value_or(0) == 0) return std::nullopt;
  const Properties properties =
      parse_kfd_properties(read_sysfs(folder + "/" + name + "/properties").value_or(""));
  const auto unique_id = properties.find("unique_id");
  KfdNode node;
  node.node_id = *node_id;
  node.gpu_id = *gpu_id;
  const Place place = place_of(properties);
  node.pci_bus_id = place.pci_bus_id;
  node.partition = place.partition;
  node.unique_id = unique_id == properties.end() ? 0 : unique_id->second;
  node.drm_minor = drm_minor(properties);
  node.architecture = architecture(properties);
  return node;
}

// Whether the ROCm runtime passes over the node as if it did not exist. Where only the rights are
// missing (EACCES) it does not: then it fails as a whole.
bool is_hidden(const std::string& root, const KfdNode& node) {
  if (!node.drm_minor) return false;
  const std::string file = fmt::format("{}/dev/dri/renderD{}", root, *node.drm_minor);
  return ::access(file.c_str(), R_OK | W_OK) != 0 && (errno == ENOENT || errno == EPERM);
}

}  // namespace

std::map<std::string, std::uint64_t> parse_kfd_properties(std::string_view text) {
  Properties properties;
  while (!text.empty()) {
    std::string_view value = trimmed(cut(text, '\n'));
    const std::string name(cut(value, ' '));
    if (const auto number = parse<std::uint64_t>(trimmed(value))) {
      properties.insert_or_assign(name, *number);
    }
  }
  return properties;
}

std::optional<KfdTopology> read_kfd_topology(const std::string& root) {
  const std::string folder = root + "/sys/class/kfd/kfd/topology/nodes";
  const auto names = names_in(folder);
  if (!names) return std::nullopt;
  KfdTopology topology;
  std::vector<KfdNode>& nodes = topology.nodes;
  for (const std::string& name : *names) {
    if (auto node = read_node(folder, name)) nodes.push_back(std::move(*node));
  }
  topology.hides_nodes =
      std::erase_if(nodes, [&](const KfdNode& node) { return is_hidden(root, node); }) > 0;
  std::sort(nodes.begin(), nodes.end(),
            [](const KfdNode& a, const KfdNode& b) { return a.node_id < b.node_id; });
  return topology;
}

}  // namespace chg
