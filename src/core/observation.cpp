#include "core/observation.h"

#include <algorithm>

namespace chg {

const GpuReading* find_reading(const Observation& observation, const std::string& uuid, int index) {
  const auto& gpus = observation.gpus;
  const auto same = std::find_if(gpus.begin(), gpus.end(), [&](const GpuReading& reading) {
    return !uuid.empty() && reading.uuid == uuid;
  });
  if (same != gpus.end()) return &*same;
  const auto at_its_place = std::find_if(gpus.begin(), gpus.end(), [&](const GpuReading& reading) {
    return reading.index == index && (uuid.empty() || reading.uuid.empty());
  });
  return at_its_place == gpus.end() ? nullptr : &*at_its_place;
}

namespace {

// Accounts below this one are the system's, as Debian numbers them.
constexpr std::uint32_t kFirstUserUid = 1000;

// A name alone proves nothing: anybody can give it to his program.
bool is_ignored(const GpuProcess& process, const Policy& policy) {
  const auto lists = [&](const std::string& name) {
    const auto& names = policy.ignore_processes;
    return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool is_systems = process.uid && *process.uid < kFirstUserUid;
  return lists(process.system_program) || (is_systems && lists(process.program));
}

bool is_compute(const GpuProcess& process) { return process.type == GpuProcess::Type::Compute; }

// Whether the ignored programs leave room for a job, as far as what they hold is known.
bool leaves_room(const GpuReading& reading, const Policy& policy) {
  std::uint64_t held = 0;
  for (const GpuProcess& process : reading.processes) {
    if (is_compute(process) && is_ignored(process, policy)) held += process.memory_mib.value_or(0);
  }
  return held <= policy.memory_threshold_mib;
}

}  // namespace

std::vector<GpuProcess> counted_processes(const GpuReading& reading, const Policy& policy) {
  const bool ignores = leaves_room(reading, policy);
  std::vector<GpuProcess> counted;
  for (const GpuProcess& process : reading.processes) {
    const bool counts = is_compute(process) && !(ignores && is_ignored(process, policy));
    if (counts) counted.push_back(process);
  }
  return counted;
}

std::optional<std::uint64_t> unlisted_memory_mib(const GpuReading& reading) {
  if (!reading.memory_used_mib) return std::nullopt;
  std::uint64_t listed = 0;
  for (const GpuProcess& process : reading.processes) {
    if (!process.memory_mib) return std::nullopt;
    listed += *process.memory_mib;
  }
  return *reading.memory_used_mib - std::min(listed, *reading.memory_used_mib);
}

bool hold_more_than(const std::vector<GpuProcess>& processes, std::uint64_t threshold_mib) {
  std::uint64_t held = 0;
  for (const GpuProcess& process : processes) {
    if (!process.memory_mib) return true;
    held += *process.memory_mib;
  }
  return held > threshold_mib;
}

bool is_in_use(const GpuReading& reading, const Policy& policy) {
  if (!reading.memory_used_mib) return true;
  if (hold_more_than(counted_processes(reading, policy), policy.process_threshold_mib)) {
    return true;
  }
  // Missing only when an ignored process hides its memory; then the total itself is what is known.
  const std::uint64_t unlisted = unlisted_memory_mib(reading).value_or(*reading.memory_used_mib);
  return unlisted > policy.memory_threshold_mib;
}

}  // namespace chg
