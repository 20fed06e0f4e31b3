#include "probe/amd/amd_visibility.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "probe/amd/amd_identity.h"

namespace chg {
namespace {

// Where the GPU is in the runtime's order; nullopt when that cannot be told of exactly one.
std::optional<std::size_t> place_among(const std::vector<KfdNode>& nodes, const GpuReading& gpu) {
  std::vector<KfdNode> ordered = nodes;
  std::sort(ordered.begin(), ordered.end(),
            [](const KfdNode& a, const KfdNode& b) { return a.node_id < b.node_id; });
  const auto is_it = [&](const KfdNode& node) {
    return !gpu.pci_bus_id.empty() && node.pci_bus_id == gpu.pci_bus_id;
  };
  if (std::count_if(ordered.begin(), ordered.end(), is_it) != 1) return std::nullopt;
  const auto found = std::find_if(ordered.begin(), ordered.end(), is_it);
  return static_cast<std::size_t>(found - ordered.begin());
}

// A UUID that several nodes have, as the partitions of a card do, names none of them.
bool is_ambiguous(const std::vector<KfdNode>& nodes, std::uint64_t unique_id) {
  return std::count_if(nodes.begin(), nodes.end(),
                       [&](const KfdNode& node) { return node.unique_id == unique_id; }) > 1;
}

std::string name_for_rocr(const GpuReading& gpu, const std::vector<KfdNode>& nodes) {
  const auto unique_id = unique_id_of(gpu.uuid);
  if (unique_id && *unique_id != 0 && !is_ambiguous(nodes, *unique_id)) return gpu.uuid;
  if (const auto place = place_among(nodes, gpu)) return std::to_string(*place);
  throw Error(ErrorKind::Failed,
              fmt::format("cannot tell how the ROCm runtime counts GPU {} ('{}')", gpu.index,
                          printable(gpu.uuid)),
              "it has no unique id, and the amdgpu driver does not list it under "
              "/sys/class/kfd/kfd/topology");
}

}  // namespace

AmdVisibility amd_visibility(const std::vector<GpuReading>& granted,
                             const std::vector<KfdNode>& nodes) {
  AmdVisibility visibility;
  for (std::size_t i = 0; i < granted.size(); ++i) {
    const char* const separator = i == 0 ? "" : ",";
    visibility.rocr += separator + name_for_rocr(granted[i], nodes);
    visibility.hip += separator + std::to_string(i);
  }
  return visibility;
}

}  // namespace chg
