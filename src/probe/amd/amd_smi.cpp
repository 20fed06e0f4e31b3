#include "probe/amd/amd_smi.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "probe/amd/amd_identity.h"
#include "probe/amd/amd_smi_text.h"
#include "probe/tool.h"

namespace chg {
namespace {

constexpr const char* kAmdSmi = "amd-smi";

ToolOutput ask(const AmdSmi& tool, std::vector<std::string> question) {
  question.insert(question.begin(), tool.program);
  return run_tool(question, tool.timeout, tool.started);
}

Error amd_smi_failure(const ToolOutput& output) {
  return amd_smi_error(output.out, output.err, output.exit_status);
}

std::vector<GpuReading> amd_smi_gpus(const AmdSmi& tool) {
  const ToolOutput output = ask(tool, {"static", "--asic", "--bus", "--json"});
  if (auto gpus = parse_amd_smi_gpus(output.out)) return std::move(*gpus);
  auto gpus = parse_amd_smi_gpus(ask(tool, {"list", "--json"}).out);
  if (!gpus) throw amd_smi_failure(output);
  return std::move(*gpus);
}

void read_amd_smi_metrics(const AmdSmi& tool, std::vector<GpuReading>& gpus) {
  const ToolOutput output =
      ask(tool, {"metric", "--mem-usage", "--usage", "--temperature", "--power", "--json"});
  if (add_amd_smi_metrics(gpus, output.out)) return;
  // A version that knows one of these words not.
  if (!add_amd_smi_metrics(gpus, ask(tool, {"metric", "--json"}).out)) {
    throw amd_smi_failure(output);
  }
}

// The processes of one GPU; nullopt when amd-smi does not tell all their pids.
std::optional<std::vector<GpuProcess>> ask_one_gpu(const AmdSmi& tool, int number) {
  const ToolOutput output = ask(tool, {"process", "--gpu", std::to_string(number), "--json"});
  const auto answer = parse_amd_smi_processes(output.out);
  if (!answer || !answer->contains(number)) return std::nullopt;
  const std::vector<GpuProcess>& processes = answer->at(number);
  const bool has_pids = std::all_of(processes.begin(), processes.end(),
                                    [](const GpuProcess& process) { return process.pid > 0; });
  return has_pids ? std::optional(processes) : std::nullopt;
}

void read_amd_smi_processes(const AmdSmi& tool, std::vector<GpuReading>& gpus) {
  const ToolOutput output = ask(tool, {"process", "--json"});
  const auto all = parse_amd_smi_processes(output.out);
  if (!all) throw amd_smi_failure(output);
  for (GpuReading& gpu : gpus) {
    const auto listed = all->find(gpu.index);
    if (listed != all->end() && listed->second.empty()) continue;
    if (auto processes = ask_one_gpu(tool, gpu.index)) {
      gpu.processes = std::move(*processes);
    } else {
      gpu.error = "amd-smi does not tell its processes";
    }
  }
}

bool fits(const GpuProcess& process, const GpuReading& gpu) {
  return !process.memory_mib || !gpu.memory_used_mib || *process.memory_mib <= *gpu.memory_used_mib;
}

// Whether a process of this pid is listed on another GPU, and could hold there what it holds.
bool fits_elsewhere(const std::vector<GpuReading>& gpus, const GpuReading& here, int pid) {
  return std::any_of(gpus.begin(), gpus.end(), [&](const GpuReading& gpu) {
    return &gpu != &here &&
           std::any_of(gpu.processes.begin(), gpu.processes.end(), [&](const GpuProcess& process) {
             return process.pid == pid && process.memory_mib.value_or(1) > 0 && fits(process, gpu);
           });
  });
}

}  // namespace

void drop_processes_of_others(std::vector<GpuReading>& gpus) {
  const std::vector<GpuReading> listed = gpus;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    std::erase_if(gpus[i].processes, [&](const GpuProcess& process) {
      return !fits(process, listed[i]) && fits_elsewhere(listed, listed[i], process.pid);
    });
  }
}

std::vector<GpuReading> read_gpus_by_amd_smi(const AmdSmi& tool) {
  std::vector<GpuReading> gpus = amd_smi_gpus(tool);
  // Before the memory: a process cannot have grown beyond what is in use afterwards.
  read_amd_smi_processes(tool, gpus);
  read_amd_smi_metrics(tool, gpus);
  drop_processes_of_others(gpus);
  put_in_bus_order(gpus);
  return gpus;
}

std::string amd_smi_source(const AmdSmi& tool) {
  try {
    const std::string version = parse_amd_smi_version(ask(tool, {"version"}).out);
    return version.empty() ? kAmdSmi : kAmdSmi + (" " + version);
  } catch (const Error&) {
    return kAmdSmi;  // A name is not worth the readings.
  }
}

}  // namespace chg
