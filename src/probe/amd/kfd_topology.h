// The GPUs that the amdgpu driver offers for computing, as its KFD describes them.
//
// Source of names and units: drivers/gpu/drm/amd/amdkfd/kfd_topology.c of Linux. All values of
// `properties` are decimal; `location_id` is the address on the PCI bus (bus << 8 | device << 3 |
// function). Of a partition of a card some drivers put the number into bits 31 to 28, others into
// the function.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

struct KfdNode {
  int node_id = 0;               ///< the ROCm runtime, and HIP, count the GPUs in this order
  std::uint32_t gpu_id = 0;      ///< what KFD's list of processes calls the GPU; never 0
  std::string pci_bus_id;        ///< "0000:03:00.0"; "" when unknown
  int partition = 0;             ///< of the card, where the driver tells it beside the address
  std::uint64_t unique_id = 0;   ///< of the card; 0 when it has none
  std::optional<int> drm_minor;  ///< 128 for /dev/dri/renderD128
  std::string architecture;      ///< "gfx942"; "" when unknown

  bool operator==(const KfdNode&) const = default;
};

/// The lines "name value" of a `properties` file whose value is a whole number.
std::map<std::string, std::uint64_t> parse_kfd_properties(std::string_view text);

struct KfdTopology {
  std::vector<KfdNode> nodes;  ///< the GPUs, in the order of their node ids
  bool hides_nodes = false;    ///< a GPU was left out, since the caller lacks its /dev/dri/renderD*
};

/// The GPUs under `root`/sys/class/kfd/kfd/topology. CPUs are left out, and so are GPUs that a
/// device cgroup hides from the caller, or whose /dev/dri/renderD* is not in the caller's
/// container: to the caller's programs they don't exist, and HIP does not count them. nullopt when
/// there is no topology to read.
std::optional<KfdTopology> read_kfd_topology(const std::string& root);

}  // namespace chg
