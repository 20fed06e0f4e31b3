#include "core/observation.h"

#include <algorithm>
#include <iterator>

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

// What is known of it.
std::uint64_t held_mib(const std::vector<GpuProcess>& processes) {
  std::uint64_t held = 0;
  for (const GpuProcess& process : processes) held += process.memory_mib.value_or(0);
  return held;
}

}  // namespace

std::vector<GpuProcess> counted_processes(const GpuReading& reading, const Policy& policy) {
  std::vector<GpuProcess> ignored;
  std::vector<GpuProcess> counted;
  for (const GpuProcess& process : reading.processes) {
    if (process.type != GpuProcess::Type::Compute) continue;
    (is_ignored(process, policy) ? ignored : counted).push_back(process);
  }
  // Whoever they are, they leave no room for a job.
  if (held_mib(ignored) > policy.memory_threshold_mib) {
    std::move(ignored.begin(), ignored.end(), std::back_inserter(counted));
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
