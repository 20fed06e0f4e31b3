#include "probe/amd/kfd_look.h"

#include <algorithm>

#include "probe/amd/drm_clients.h"
#include "probe/amd/kfd_gpus.h"
#include "probe/amd/kfd_processes.h"
#include "probe/amd/kfd_topology.h"
#include "probe/processes/host_pids.h"

namespace chg {
namespace {

// What the driver itself takes of an idle card stays below, on any but the largest. Only above it
// is it worth to look through all of /proc for who draws.
constexpr std::uint64_t kDriverMib = 64;

bool may_have_drawers(const GpuReading& gpu) {
  return unlisted_memory_mib(gpu).value_or(kDriverMib + 1) > kDriverMib;
}

void mark_unlisted(std::vector<GpuReading>& gpus) {
  for (GpuReading& gpu : gpus) {
    const bool is_idle = gpu.memory_used_mib == 0;
    if (!is_idle && gpu.error.empty()) gpu.error = "the driver does not list its processes";
  }
}

}  // namespace

std::vector<GpuReading> look_at_kfd(const std::string& root) {
  const auto nodes = read_kfd_nodes(root);
  if (!nodes || nodes->empty()) return {};
  // Memory first: what begins in between is then listed with what it holds.
  std::vector<GpuReading> gpus = read_kfd_gpus(root, *nodes);
  const auto uses = read_driver_uses(root);
  if (!uses) {
    mark_unlisted(gpus);
    return gpus;
  }
  add_driver_uses(gpus, *nodes, *uses);
  // The driver's pids are the host's, and /proc has those of the reader: they must be the same.
  if (sees_host_pids(root) && std::any_of(gpus.begin(), gpus.end(), may_have_drawers)) {
    add_drm_clients(gpus, read_drm_clients(root));
  }
  return gpus;
}

}  // namespace chg
