#include "app/served_models.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "probe/processes/proc_reader.h"
#include "probe/processes/process_facts.h"
#include "view/model_detection.h"

namespace chg {
namespace {

constexpr std::chrono::seconds kTimeout{1};

// What the name of a model is worth: looked for while people wait, and not longer.
bool lacks_model(const GpuProcess& process) {
  return process.type == GpuProcess::Type::Compute && !process.ancestors.empty() &&
         !detect_model(process.command_line);
}

// The workers of one server have the same ancestors: each of them is asked about once.
std::vector<Ancestor> ancestors_of(const std::vector<GpuProcess*>& processes) {
  std::vector<Ancestor> all;
  for (const GpuProcess* process : processes) {
    for (const Ancestor& ancestor : process->ancestors) {
      if (std::find(all.begin(), all.end(), ancestor) == all.end()) all.push_back(ancestor);
    }
  }
  return all;
}

}  // namespace

void ask_ancestors_for_models(Observation& observation) {
  std::vector<GpuProcess*> processes = listed_processes(observation);
  std::erase_if(processes, [](const GpuProcess* process) { return !lacks_model(*process); });
  const std::vector<Ancestor> ancestors = ancestors_of(processes);
  const std::vector<std::string> lines = command_lines_in_time(ancestors, ProcReader(), kTimeout);
  for (GpuProcess* process : processes) {
    for (const Ancestor& ancestor : process->ancestors) {
      const auto place =
          std::find(ancestors.begin(), ancestors.end(), ancestor) - ancestors.begin();
      const std::string& line = lines[static_cast<std::size_t>(place)];
      if (!detect_model(line)) continue;
      process->ancestor_command_line = line;
      break;
    }
  }
}

}  // namespace chg
