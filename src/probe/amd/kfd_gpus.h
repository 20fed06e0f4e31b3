// What the amdgpu driver tells of each GPU in sysfs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/observation.h"
#include "probe/amd/kfd_topology.h"

namespace chg {

/// The name under which a card is sold, from the table amdgpu.ids of libdrm ("73BF,\tC1,\tAMD
/// Radeon RX 6800 XT"): the line of this device and revision, both hexadecimal. nullopt when there
/// is none.
std::optional<std::string> marketing_name(std::string_view table, std::string_view device,
                                          std::string_view revision);

/// Reads each node's GPU in sysfs under `root`, in PCI bus order, without processes. `nodes` as
/// read_kfd_topology gives them: HIP counts the GPUs in that order.
///
/// - memory: the card's VRAM, in MiB; of an integrated GPU that has less of it than of the host's
///   memory (GTT), both together, since its driver takes what programs ask for from there. For a
///   partition of a card, which has no device of its own, what its node tells: where that is not
///   the memory in use, memory_not_supported.
/// - uuid: where several nodes share a unique id, as the partitions of a card may, that of the
///   address and the partition
/// - temperature: of the edge, else of the hottest place that there is a sensor for
/// - model: of the board, else as libdrm knows it, else "AMD gfx942"
/// - error: set for a GPU that has no PCI address
std::vector<GpuReading> read_kfd_gpus(const std::string& root, const std::vector<KfdNode>& nodes);

}  // namespace chg
