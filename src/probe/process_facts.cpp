#include "probe/process_facts.h"

#include <cstddef>
#include <string>

#include "base/isolation.h"
#include "probe/packed.h"
#include "probe/packed_observation.h"

namespace chg {
namespace {

void note(Notes& notes, std::size_t place, const GpuProcess& process) {
  Packer pack;
  pack(place, process);
  notes.add(pack.bytes());
}

// Reads those from `begin` on. Each is noted down before it is read, too: the last is the one that
// took too long.
void read_from(std::size_t begin, const std::vector<GpuProcess*>& processes, ProcReader& proc,
               Notes& notes) {
  for (std::size_t place = begin; place < processes.size(); ++place) {
    GpuProcess process = *processes[place];
    note(notes, place, process);
    proc.fill(process, [&] { note(notes, place, process); });
    note(notes, place, process);
  }
}

// Enters what was noted down; the place behind the last one that was begun.
std::size_t enter(const std::string& noted, std::size_t begin,
                  const std::vector<GpuProcess*>& processes) {
  Unpacker unpack(noted);
  std::size_t next = begin;
  while (!unpack.is_at_end()) {
    std::size_t place = 0;
    GpuProcess process;
    unpack(place, process);
    *processes.at(place) = std::move(process);
    next = place + 1;
  }
  return next;
}

}  // namespace

void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration deadline) {
  const IsolatedList list{
      processes.size(),
      [&](std::size_t begin, Notes& notes) { read_from(begin, processes, proc, notes); },
      [&](std::size_t begin, const std::string& noted) { return enter(noted, begin, processes); }};
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
