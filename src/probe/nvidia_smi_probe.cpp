#include "probe/nvidia_smi_probe.h"

#include <algorithm>
#include <utility>

#include "probe/nvidia_smi_failure.h"
#include "probe/nvidia_smi_text.h"
#include "probe/tool.h"

namespace chg {
namespace {

constexpr const char* kFormat = "--format=csv,noheader,nounits";

Error failure(const ToolOutput& output) {
  return nvidia_smi_error(output.out, output.err, output.exit_status);
}

// The exit status is no help where there are rows: one lost GPU or a corrupted infoROM is enough to
// make it a failure.
std::vector<GpuReading> gpus_of(const ToolOutput& output) {
  std::vector<GpuReading> gpus = parse_gpus(output.out);
  if (gpus.empty() || output.was_killed) throw failure(output);
  return gpus;
}

bool may_have_processes(const GpuReading& gpu) { return gpu.memory_used_mib.value_or(1) > 0; }

// Nothing printed is the answer of idle GPUs, if nvidia-smi is content with it.
ProcessTable processes_of(const ToolOutput& output) {
  ProcessTable table = parse_processes(output.out);
  const bool printed_nothing = output.out.find_first_not_of(" \t\r\n") == std::string::npos;
  const bool failed = table.has_stray_text || (printed_nothing && output.exit_status != 0);
  if (output.was_killed || (table.processes.empty() && failed)) throw failure(output);
  return table;
}

}  // namespace

NvidiaSmiProbe::NvidiaSmiProbe(const Clock& clock, Duration deadline, std::string program)
    : clock_(clock), deadline_(deadline), program_(std::move(program)) {}

Observation NvidiaSmiProbe::look() { return look_since(std::chrono::steady_clock::now()); }

Observation NvidiaSmiProbe::look_since(std::chrono::steady_clock::time_point started) {
  const auto ask = [&](const char* question, std::string_view columns) {
    return run_tool({program_, question + std::string(columns), kFormat}, deadline_, started);
  };
  Observation observation;
  observation.taken = clock_.now();
  observation.source = "nvidia-smi";
  observation.gpus = gpus_of(ask("--query-gpu=", kGpuColumns));
  if (std::any_of(observation.gpus.begin(), observation.gpus.end(), may_have_processes)) {
    add_processes(observation.gpus, processes_of(ask("--query-compute-apps=", kProcessColumns)));
  }
  return observation;
}

}  // namespace chg
