#include "probe/nvidia/nvml_processes.h"

#include <algorithm>
#include <limits>
#include <map>

namespace chg {
namespace {

using Bytes = std::optional<std::uint64_t>;
using Type = GpuProcess::Type;

constexpr std::uint64_t kMib = 1ULL << 20;
constexpr std::uint64_t kMibMax = 1ULL << 36;

bool is_pid(std::uint32_t pid) { return pid > 0 && pid <= std::numeric_limits<int>::max(); }

Bytes sum(const Bytes& a, const Bytes& b) { return a && b ? Bytes(*a + *b) : std::nullopt; }

Bytes larger(const Bytes& a, const Bytes& b) {
  return a && b ? Bytes(std::max(*a, *b)) : std::nullopt;
}

// Adds `process` to those that are known, with `together` for the memory of one that is there.
void add(std::map<int, GpuProcess>& known, const GpuProcess& process,
         Bytes (*together)(const Bytes&, const Bytes&)) {
  const auto [place, is_new] = known.emplace(process.pid, process);
  if (is_new) return;
  GpuProcess& same = place->second;
  same.memory_mib = together(same.memory_mib, process.memory_mib);
  if (process.type == Type::Compute) same.type = Type::Compute;
}

std::vector<GpuProcess> values_of(const std::map<int, GpuProcess>& known) {
  std::vector<GpuProcess> processes;
  for (const auto& [pid, process] : known) processes.push_back(process);
  return processes;
}

// A pid comes several times in a list where it is on several MIG devices.
std::map<int, GpuProcess> by_pid(const NvmlListed& listed) {
  std::map<int, GpuProcess> known;
  for (const NvmlProcess& entry : listed.processes) {
    if (!is_pid(entry.pid)) continue;
    GpuProcess process;
    process.pid = static_cast<int>(entry.pid);
    if (entry.memory_bytes) process.memory_mib = mib_to_nearest(*entry.memory_bytes);
    process.type = listed.list == NvmlList::Graphics ? Type::Graphics : Type::Compute;
    add(known, process, sum);
  }
  return known;
}

}  // namespace

std::optional<std::uint64_t> mib_to_nearest(std::uint64_t bytes) {
  const std::uint64_t mib = bytes / kMib + (bytes % kMib >= kMib / 2 ? 1 : 0);
  return mib <= kMibMax ? std::optional(mib) : std::nullopt;
}

std::vector<GpuProcess> merge_lists(const std::vector<NvmlListed>& lists) {
  std::map<int, GpuProcess> known;
  for (const NvmlListed& listed : lists) {
    for (const auto& [pid, process] : by_pid(listed)) add(known, process, larger);
  }
  return values_of(known);
}

bool has_unknown_process(const std::vector<NvmlListed>& lists) {
  return std::any_of(lists.begin(), lists.end(), [](const NvmlListed& listed) {
    return std::any_of(listed.processes.begin(), listed.processes.end(),
                       [](const NvmlProcess& process) { return !is_pid(process.pid); });
  });
}

std::vector<GpuProcess> merge_mig_devices(const std::vector<std::vector<GpuProcess>>& devices,
                                          const std::vector<GpuProcess>& whole) {
  std::map<int, GpuProcess> known;
  for (const std::vector<GpuProcess>& device : devices) {
    for (const GpuProcess& process : device) add(known, process, sum);
  }
  for (const GpuProcess& process : whole) known.emplace(process.pid, process);
  return values_of(known);
}

}  // namespace chg
