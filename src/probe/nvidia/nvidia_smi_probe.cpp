#include "probe/nvidia/nvidia_smi_probe.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvidia_smi_log_text.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "probe/tool.h"

namespace chg {
namespace {

constexpr const char* kCsv = "--format=csv,noheader,nounits";

Error failure(const ToolOutput& output) {
  return nvidia_smi_error(output.out, output.err, output.exit_status);
}

// The exit status is no help where there are rows: one lost GPU or a corrupted infoROM is enough to
// make it a failure.
std::vector<GpuReading> gpus_of(const ToolOutput& output, const GpuColumns& columns) {
  std::vector<GpuReading> gpus = parse_gpus(output.out, columns);
  if (gpus.empty() || output.was_killed) throw failure(output);
  return gpus;
}

bool may_have_processes(const GpuReading& gpu) { return gpu.memory_used_mib.value_or(1) > 0; }

// Nothing printed is the answer of idle GPUs, if nvidia-smi is content with it, or only warns of an
// infoROM.
ProcessTable processes_of(const ToolOutput& output, bool in_wsl) {
  ProcessTable table = parse_processes(output.out, in_wsl);
  const bool printed_nothing = output.out.find_first_not_of(" \t\r\n") == std::string::npos;
  const bool is_content =
      output.exit_status == 0 || output.exit_status == nvml_code::kCorruptedInforom;
  const bool failed = table.has_stray_text || (printed_nothing && !is_content);
  if (output.was_killed || (table.processes.empty() && failed)) throw failure(output);
  return table;
}

// What idle cards with MIG devices say that they use: 55 and 59 MiB were recorded on an H200 and an
// H100 with driver 590.
constexpr std::uint64_t kIdleMigMib = 256;

// What runs on MIG devices may be on no list: without any process, such a GPU is idle only where
// little memory is used.
void doubt_empty_lists(std::vector<GpuReading>& gpus, const std::vector<int>& mig_gpus) {
  for (GpuReading& gpu : gpus) {
    const bool is_mig = std::find(mig_gpus.begin(), mig_gpus.end(), gpu.index) != mig_gpus.end();
    const bool is_idle = gpu.memory_used_mib && *gpu.memory_used_mib <= kIdleMigMib;
    if (!is_mig || is_idle || !gpu.processes.empty()) continue;
    if (gpu.error.empty()) gpu.error = "nvidia-smi does not tell what runs on its MIG devices";
  }
}

}  // namespace

Observation read_nvidia_smi(const Clock& clock, Duration timeout, SteadyClock::time_point started,
                            const std::string& program, std::uint64_t unlisted_max_mib,
                            bool in_wsl) {
  const auto ask = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    return run_tool(arguments, timeout, started, nvidia_hints::when_late(timeout));
  };
  // The answer to a question that only adds details: "" where none comes in time.
  const auto ask_for_details = [&](std::vector<std::string> arguments) -> std::string {
    try {
      return ask(std::move(arguments)).out;
    } catch (const Error&) {
      return "";
    }
  };
  Observation observation;
  observation.taken = clock.now();
  observation.source = "nvidia-smi";
  std::vector<GpuReading>& gpus = observation.gpus;
  GpuColumns columns = first_columns();
  const auto ask_for_gpus = [&] {
    return ask({fmt::format("--query-gpu={}", fmt::join(columns, ",")), kCsv});
  };
  ToolOutput answer = ask_for_gpus();
  while (drop_unknown(columns, answer.out + answer.err)) answer = ask_for_gpus();
  gpus = gpus_of(answer, columns);
  if (std::any_of(gpus.begin(), gpus.end(), may_have_processes)) {
    const std::string question = "--query-compute-apps=" + std::string(kProcessColumns);
    add_processes(gpus, processes_of(ask({question, kCsv}), in_wsl));
  }
  const std::vector<int> divided = mig_gpus(answer.out, columns);
  if (!divided.empty()) add_mig_devices(gpus, ask_for_details({"-L"}));
  doubt_empty_lists(gpus, divided);
  const auto may_draw = [&](const GpuReading& gpu) {
    return unlisted_memory_mib(gpu).value_or(0) > unlisted_max_mib;
  };
  if (std::any_of(gpus.begin(), gpus.end(), may_draw)) {
    add_graphics_processes(gpus, ask_for_details({"-q", "-d", "PIDS"}), in_wsl);
  }
  return observation;
}

}  // namespace chg
