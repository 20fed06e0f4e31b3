#include "probe/processes/process_facts.h"

#include <cstddef>
#include <stdexcept>
#include <string>

#include "base/json.h"
#include "base/text.h"
#include "core/fields.h"

namespace chg {
namespace {

// A note: a line of JSON.
struct Fact {
  std::size_t place = 0;
  GpuProcess process;
};

constexpr auto fields_of(const Fact*) {
  return std::tuple(field("place", &Fact::place), field("process", &Fact::process));
}

void note(Notes& notes, std::size_t place, const GpuProcess& process) {
  notes.add(write_json(Fact{place, process}) + "\n");
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

std::size_t enter_facts(std::string_view notes, std::size_t begin,
                        const std::vector<GpuProcess*>& processes) {
  std::size_t next = begin;
  try {
    while (!notes.empty()) {
      auto fact = read_json<Fact>(cut(notes, '\n'));
      if (fact.place >= processes.size()) return next;
      fact.process.asked_proc = true;
      *processes[fact.place] = std::move(fact.process);
      next = fact.place + 1;
    }
  } catch (const std::invalid_argument&) {
    // A vendor's library has run wild, after it gave its answer.
  }
  return next;
}

void fill_in_time(const std::vector<GpuProcess*>& processes, ProcReader& proc, Duration timeout) {
  const IsolatedList list{
      processes.size(),
      [&](std::size_t begin, Notes& notes) { note_facts(processes, begin, proc, notes); },
      [&](std::size_t begin, const std::string& notes) {
        return enter_facts(notes, begin, processes);
      }};
  bounded_map("/proc", list, timeout);
}

std::vector<GpuProcess*> listed_processes(Observation& observation) {
  std::vector<GpuProcess*> processes;
  for (GpuReading& gpu : observation.gpus) {
    for (GpuProcess& process : gpu.processes) {
      if (!process.outside) processes.push_back(&process);
    }
  }
  return processes;
}

}  // namespace chg
