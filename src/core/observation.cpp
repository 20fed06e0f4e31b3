#include "core/observation.h"

#include <algorithm>

#include <fmt/format.h>

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

// The largest of what it tells itself and what its MIG devices tell.
std::optional<std::uint64_t> used_mib(const GpuReading& reading) {
  std::optional<std::uint64_t> used = reading.memory_used_mib;
  if (!used && !reading.memory_not_supported) return std::nullopt;
  for (const MigDevice& device : reading.mig_devices) {
    if (device.memory_used_mib) used = std::max(used.value_or(0), *device.memory_used_mib);
  }
  return used;
}

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
    const bool counts =
        is_compute(process) && !process.outside && !(ignores && is_ignored(process, policy));
    if (counts) counted.push_back(process);
  }
  return counted;
}

std::optional<std::uint64_t> unlisted_memory_mib(const GpuReading& reading) {
  const std::optional<std::uint64_t> used = used_mib(reading);
  if (!used) return std::nullopt;
  std::uint64_t listed = 0;
  for (const GpuProcess& process : reading.processes) {
    if (process.outside) continue;
    if (!process.memory_mib) return std::nullopt;
    listed += *process.memory_mib;
  }
  return *used - std::min(listed, *used);
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
  if (hold_more_than(counted_processes(reading, policy), policy.process_threshold_mib)) {
    return true;
  }
  const std::optional<std::uint64_t> used = used_mib(reading);
  if (!used) return !reading.memory_not_supported;
  // Missing only when an ignored process hides its memory; then the total itself is what is known.
  return unlisted_memory_mib(reading).value_or(*used) > policy.memory_threshold_mib;
}

std::optional<Obstacle> obstacle_of(const GpuReading& reading, const Policy& policy) {
  if (!reading.error.empty()) return Obstacle{reading.error, reading.error_is_final};
  if (reading.memory_not_supported && reading.processes_not_supported) {
    return Obstacle{"its driver tells neither its memory nor its processes", true};
  }
  if (reading.needs_reset) return Obstacle{reading.notice};
  const bool is_unread = !reading.memory_used_mib && !reading.memory_not_supported;
  if (is_unread && counted_processes(reading, policy).empty()) {
    return Obstacle{"its memory cannot be read"};
  }
  return std::nullopt;
}

std::vector<std::string> notices_of(const GpuReading& reading) {
  constexpr int kBusyPercent = 50;
  constexpr std::uint64_t kIdleMibMax = 100;
  std::vector<std::string> notices;
  if (!reading.notice.empty()) notices.push_back(reading.notice);
  const int percent = reading.utilization_percent.value_or(0);
  const bool lists_none = reading.processes.empty() && !reading.processes_not_supported;
  // Where more is used, its use without a process is told by itself.
  const bool holds_little = unlisted_memory_mib(reading).value_or(0) <= kIdleMibMax;
  if (percent >= kBusyPercent && lists_none && holds_little && reading.error.empty()) {
    notices.push_back(
        fmt::format("{}% busy without any process (a job may have just ended)", percent));
  }
  return notices;
}

void refuse_twins(Observation& observation) {
  for (GpuReading& reading : observation.gpus) {
    const auto same =
        std::count_if(observation.gpus.begin(), observation.gpus.end(),
                      [&](const GpuReading& other) { return other.uuid == reading.uuid; });
    if (reading.uuid.empty() || same < 2) continue;
    reading.error = fmt::format("{} GPUs have the UUID {}",
                                same == 2 ? "two" : fmt::to_string(same), reading.uuid);
    reading.error_is_final = true;
  }
}

}  // namespace chg
