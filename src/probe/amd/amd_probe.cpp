#include "probe/amd/amd_probe.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/find_program.h"
#include "probe/amd/amd_tools.h"
#include "probe/amd/kfd_look.h"
#include "probe/processes/host_pids.h"

namespace chg {
namespace {

std::optional<std::string> find_tool(const std::string& name, const std::string& root) {
  if (auto path = find_program(name)) return path;
  return find_program(root + "/opt/rocm/bin/" + name);
}

Observation look_with_tools(const std::string& root, Duration timeout,
                            SteadyClock::time_point started) {
  const auto amd_smi = find_tool("amd-smi", root);
  const auto rocm_smi = find_tool("rocm-smi", root);
  std::optional<Error> failure;
  Observation observation;
  if (amd_smi) {
    const AmdTool tool{*amd_smi, timeout, started};
    try {
      observation.gpus = look_with_amd_smi(tool);
      observation.source = amd_smi_source(tool);
      return observation;
    } catch (const Error& error) {
      failure = error;
    }
  }
  if (rocm_smi) {
    try {
      observation.gpus = look_with_rocm_smi({*rocm_smi, timeout, started});
      observation.source = "rocm-smi";
      return observation;
    } catch (const Error& error) {
      if (!failure) failure = error;
    }
  }
  if (failure) throw *failure;
  throw Error(ErrorKind::Failed,
              "the AMD driver shows no GPU, and neither 'amd-smi' nor 'rocm-smi' is in PATH",
              "Is the amdgpu driver loaded, and ROCm installed?");
}

}  // namespace

AmdProbe::AmdProbe(const Clock& clock, Duration timeout, std::string root)
    : clock_(clock), timeout_(timeout), root_(std::move(root)) {}

Observation AmdProbe::look() {
  const auto started = SteadyClock::now();
  const Instant taken = clock_.now();
  Observation observation;
  observation.source = "KFD";
  observation.gpus = look_at_kfd(root_);
  if (observation.gpus.empty()) observation = look_with_tools(root_, timeout_, started);
  observation.taken = taken;
  for (GpuReading& gpu : observation.gpus) {
    // The tools keep processes that have ended; the driver's list is rid of them already.
    std::erase_if(gpu.processes,
                  [&](const GpuProcess& process) { return has_ended(root_, process.pid); });
  }
  return observation;
}

}  // namespace chg
