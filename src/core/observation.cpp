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

std::vector<GpuProcess> counted_processes(const GpuReading& reading, const Policy& policy) {
  std::vector<GpuProcess> counted;
  for (const GpuProcess& process : reading.processes) {
    const auto& ignored = policy.ignore_processes;
    const bool is_ignored =
        std::find(ignored.begin(), ignored.end(), process.program) != ignored.end();
    if (process.type == GpuProcess::Type::Compute && !is_ignored) counted.push_back(process);
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
