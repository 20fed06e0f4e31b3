// Who has the graphics side of a GPU open, as /proc tells of each open file (fdinfo).
//
// Source of names and units: Documentation/gpu/drm-usage-stats.rst of Linux. Memory is in bytes, or
// in KiB or MiB where that is written behind the number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// One use of a GPU, which may be open in several descriptors and processes.
struct DrmClient {
  int pid = 0;
  std::string pci_bus_id;       ///< "0000:03:00.0"
  std::uint64_t client_id = 0;  ///< unique on this GPU
  std::optional<std::uint64_t> vram_bytes;

  bool operator==(const DrmClient&) const = default;
};

/// Reads a file of /proc/PID/fdinfo, without its pid. nullopt when it is not about a GPU, or does
/// not tell which and whose.
std::optional<DrmClient> parse_drm_fdinfo(std::string_view text);

/// The clients of all processes under `root`/proc whose descriptors the caller may see: root those
/// of all, others their own. A client that several processes share is that of the lowest pid.
std::vector<DrmClient> read_drm_clients(const std::string& root);

/// Lists each process that holds memory, or does not tell how much, on the GPU that it has open,
/// as a graphics process. One that is listed there already is not listed again: its memory is
/// counted. On partitions that share a PCI address none is listed: nothing tells which one it has
/// open.
void add_drm_clients(std::vector<GpuReading>& gpus, const std::vector<DrmClient>& clients);

}  // namespace chg
