#include "probe/amd/amd_probe.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/find_program.h"
#include "probe/amd/amd_smi.h"
#include "probe/amd/amd_visibility.h"
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

// Reads the GPUs of these nodes through the driver's own files, with their processes as far as the
// driver and /proc list them.
std::vector<GpuReading> read_gpus_of_driver(const std::string& root,
                                            const std::vector<KfdNode>& nodes) {
  if (nodes.empty()) return {};
  // Memory first: what begins in between is then listed with what it holds.
  std::vector<GpuReading> gpus = read_kfd_gpus(root, nodes);
  const auto uses = read_driver_uses(root);
  if (!uses) {
    mark_unlisted(gpus);
    return gpus;
  }
  add_driver_uses(gpus, nodes, *uses);
  // The driver's pids are the host's, and /proc has those of the reader: they must be the same.
  if (sees_host_pids(root) && std::any_of(gpus.begin(), gpus.end(), may_have_drawers)) {
    add_drm_clients(gpus, read_drm_clients(root));
  }
  return gpus;
}

Observation read_gpus_by_tool(const std::string& root, Duration timeout,
                              SteadyClock::time_point started) {
  auto program = find_program("amd-smi");
  if (!program) program = find_program(root + "/opt/rocm/bin/amd-smi");
  if (!program) {
    throw Error(ErrorKind::Failed,
                "the AMD driver shows no GPU, and there is no 'amd-smi' in PATH to ask instead",
                "is the amdgpu driver loaded, and ROCm installed?");
  }
  const AmdSmi tool{*program, timeout, started};
  Observation observation;
  observation.gpus = read_gpus_by_amd_smi(tool);
  observation.source = amd_smi_source(tool);
  return observation;
}

}  // namespace

Observation read_amd(const Clock& clock, Duration timeout, const std::string& root) {
  const auto started = SteadyClock::now();
  const Instant taken = clock.now();
  Observation observation;
  observation.source = "KFD";
  const KfdTopology topology = read_kfd_topology(root).value_or(KfdTopology());
  observation.gpus = read_gpus_of_driver(root, topology.nodes);
  observation.is_partial = topology.hides_nodes;
  if (observation.gpus.empty()) observation = read_gpus_by_tool(root, timeout, started);
  observation.taken = taken;
  refuse_nameless(observation.gpus);
  for (GpuReading& gpu : observation.gpus) {
    // amd-smi keeps processes that have ended; the driver's list is rid of them already.
    std::erase_if(gpu.processes,
                  [&](const GpuProcess& process) { return has_ended(root, process.pid); });
  }
  return observation;
}

}  // namespace chg
