#include "probe/nvidia/nvidia_smi_probe.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "probe/nvidia/nvidia_smi_failure.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "probe/nvidia/nvidia_smi_xml.h"
#include "probe/nvidia/nvml_processes.h"
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

// Nothing where it can't be read.
std::vector<GpuReading> readings_of_xml(const std::function<ToolOutput()>& ask) {
  try {
    return parse_gpus_xml(ask().out);
  } catch (const Error&) {
    return {};
  }
}

const GpuReading* find_uuid(const std::vector<GpuReading>& gpus, const std::string& uuid) {
  const auto found = std::find_if(gpus.begin(), gpus.end(),
                                  [&](const GpuReading& gpu) { return gpu.uuid == uuid; });
  return uuid.empty() || found == gpus.end() ? nullptr : &*found;
}

// The rows of `uuid` that hide their process are settled where `told` has as many as there are
// rows; else something runs there that neither answer tells.
void settle_hidden(ProcessTable& table, const std::string& uuid,
                   const std::vector<GpuProcess>& told) {
  const auto is_of_gpu = [&](const ListedProcess& row) { return row.gpu_uuid == uuid; };
  const auto rows = std::count_if(table.processes.begin(), table.processes.end(), is_of_gpu);
  if (told.size() < static_cast<std::size_t>(rows)) return;
  std::erase_if(table.processes,
                [&](const ListedProcess& row) { return is_of_gpu(row) && row.process.pid <= 0; });
}

template <typename Value>
void fill_in(std::optional<Value>& value, const std::optional<Value>& other) {
  if (!value) value = other;
}

// Enters what the XML tells of a divided GPU, except for its processes.
void add_told(GpuReading& gpu, const GpuReading& told) {
  gpu.mig_devices = told.mig_devices;
  if (gpu.error.empty()) gpu.error = told.error;
  if (gpu.pci_bus_id.empty()) gpu.pci_bus_id = told.pci_bus_id;
  fill_in(gpu.memory_used_mib, told.memory_used_mib);
  fill_in(gpu.memory_total_mib, told.memory_total_mib);
  fill_in(gpu.temperature_c, told.temperature_c);
  fill_in(gpu.power_w, told.power_w);
}

bool is_one_of(int index, const std::vector<int>& indices) {
  return std::find(indices.begin(), indices.end(), index) != indices.end();
}

// Puts the processes of `table` on the GPUs, and on the divided ones all that `xml` tells of them.
void add_processes_and_parts(std::vector<GpuReading>& gpus, ProcessTable table,
                             const std::vector<int>& divided, const std::vector<GpuReading>& xml) {
  const auto told_of = [&](const GpuReading& gpu) {
    return is_one_of(gpu.index, divided) ? find_uuid(xml, gpu.uuid) : nullptr;
  };
  for (GpuReading& gpu : gpus) {
    const GpuReading* told = told_of(gpu);
    if (told == nullptr) continue;
    settle_hidden(table, gpu.uuid, told->processes);
    add_told(gpu, *told);
  }
  add_processes(gpus, table);
  for (GpuReading& gpu : gpus) {
    const GpuReading* told = told_of(gpu);
    if (told != nullptr) gpu.processes = merge_parts({told->processes}, gpu.processes);
  }
}

}  // namespace

NvidiaSmiProbe::NvidiaSmiProbe(const Clock& clock, Duration deadline, std::string program)
    : clock_(clock), deadline_(deadline), program_(std::move(program)) {}

Observation NvidiaSmiProbe::look() { return look_since(std::chrono::steady_clock::now()); }

Observation NvidiaSmiProbe::look_since(std::chrono::steady_clock::time_point started) {
  const auto ask = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_);
    return run_tool(arguments, deadline_, started);
  };
  Observation observation;
  observation.taken = clock_.now();
  observation.source = "nvidia-smi";
  std::vector<GpuReading>& gpus = observation.gpus;
  const ToolOutput answer = ask({"--query-gpu=" + std::string(kGpuColumns), kFormat});
  gpus = gpus_of(answer);
  ProcessTable table;
  if (std::any_of(gpus.begin(), gpus.end(), may_have_processes)) {
    table = processes_of(ask({"--query-compute-apps=" + std::string(kProcessColumns), kFormat}));
  }
  const std::vector<int> divided = divided_gpus(answer.out);
  std::vector<GpuReading> xml;
  if (!divided.empty()) xml = readings_of_xml([&] { return ask({"-q", "-x"}); });
  add_processes_and_parts(gpus, std::move(table), divided, xml);
  return observation;
}

}  // namespace chg
