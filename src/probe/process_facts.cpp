#include "probe/process_facts.h"

#include <chrono>
#include <cstddef>
#include <string>

#include "probe/isolation.h"
#include "probe/packed.h"
#include "probe/packed_observation.h"

namespace chg {
namespace {

constexpr std::chrono::milliseconds kPatience(500);

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
  const auto until = std::chrono::steady_clock::now() + deadline;
  std::size_t next = 0;
  while (next < processes.size()) {
    const Duration left = until - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) return;
    const IsolatedEnd end = run_isolated(
        "/proc", [&](Notes& notes) { read_from(next, processes, proc, notes); }, {left, kPatience});
    const std::size_t begun = enter(end.notes, next, processes);
    if (!end.failure || begun == next) return;
    next = begun;
  }
}

std::vector<GpuProcess*> listed_processes(Observation& observation) {
  std::vector<GpuProcess*> processes;
  for (GpuReading& gpu : observation.gpus) {
    for (GpuProcess& process : gpu.processes) processes.push_back(&process);
  }
  return processes;
}

}  // namespace chg
