#include "probe/processes/process_facts.h"

#include <cstddef>
#include <string>

#include "core/fields.h"

namespace chg {
namespace {

void note(Notes& notes, std::size_t place, const GpuProcess& process) {
  Packer pack;
  pack(place, process);
  notes.add(pack.bytes());
}

}  // namespace

void note_facts(const std::vector<GpuProcess*>& processes, std::size_t begin, ProcReader& proc,
                Notes& notes) {
  for (std::size_t place = begin; place < processes.size(); ++place) {
    GpuProcess process = *processes[place];
    note(notes, place, process);
    proc.fill(process, [&] { note(notes, place, process); });
    note(notes, place, process);
  }
}

std::size_t enter_facts(Unpacker& noted, std::size_t begin,
                        const std::vector<GpuProcess*>& processes) {
  std::size_t next = begin;
  while (!noted.is_at_end()) {
    std::size_t place = 0;
    GpuProcess process;
    noted(place, process);
    if (place >= processes.size()) return next;
    *processes[place] = std::move(process);
    next = place + 1;
  }
  return next;
}

void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration deadline) {
  const IsolatedList list{
      processes.size(),
      [&](std::size_t begin, Notes& notes) { note_facts(processes, begin, proc, notes); },
      [&](std::size_t begin, const std::string& notes) {
        Unpacker noted(notes);
        return enter_facts(noted, begin, processes);
      }};
  run_isolated("/proc", list, deadline);
}

std::vector<GpuProcess*> listed_processes(Observation& observation) {
  std::vector<GpuProcess*> processes;
  for (GpuReading& gpu : observation.gpus) {
    for (GpuProcess& process : gpu.processes) processes.push_back(&process);
  }
  return processes;
}

}  // namespace chg
