#include "probe/amd/kfd_processes.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>
#include <string_view>

#include <unistd.h>

#include "base/number.h"
#include "base/text.h"
#include "probe/processes/host_pids.h"
#include "probe/sysfs.h"

namespace chg {
namespace {

constexpr std::string_view kMemoryPrefix = "vram_";
constexpr std::string_view kContextPrefix = "context_";

using UsesByGpu = std::map<std::uint32_t, DriverUse>;

void add_memory(DriverUse& use, std::string_view text) {
  const auto bytes = parse<std::uint64_t>(trimmed(text));
  if (!bytes) {
    use.vram_bytes = std::nullopt;
  } else if (use.vram_bytes) {
    const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - *use.vram_bytes;
    *use.vram_bytes += std::min(*bytes, room);
  }
}

DriverUse& use_of(UsesByGpu& uses, int pid, std::uint32_t gpu_id) {
  const auto [entry, is_new] = uses.try_emplace(gpu_id);
  if (is_new) {
    entry->second.pid = pid;
    entry->second.gpu_id = gpu_id;
    entry->second.vram_bytes = 0;
  }
  return entry->second;
}

void read_queues(const std::string& folder, int pid, UsesByGpu& uses) {
  for (const std::string& name : names_in(folder).value_or(std::vector<std::string>())) {
    const auto gpu_id = parse<std::uint32_t>(read_sysfs_line(folder + "/" + name + "/gpuid"));
    if (gpu_id) use_of(uses, pid, *gpu_id).has_queue = true;
  }
}

// One context of a process. Files that vanish while they are read belong to one that is ending.
// False when there is a folder, but nothing of it may be known.
bool read_context(const std::string& folder, int pid, UsesByGpu& uses) {
  const auto names = names_in(folder);
  if (!names) return ::access(folder.c_str(), F_OK) != 0;
  bool is_known = true;
  for (const std::string& name : *names) {
    if (name.starts_with(kContextPrefix)) {
      is_known = read_context(folder + "/" + name, pid, uses) && is_known;
    }
    if (!name.starts_with(kMemoryPrefix)) continue;
    const auto gpu_id = parse<std::uint32_t>(std::string_view(name).substr(kMemoryPrefix.size()));
    const auto text = read_sysfs(folder + "/" + name);
    const bool is_gone = !text && (errno == ENOENT || errno == ENODEV);
    if (gpu_id && !is_gone) add_memory(use_of(uses, pid, *gpu_id), text.value_or(""));
  }
  read_queues(folder + "/queues", pid, uses);
  return is_known;
}

}  // namespace

std::optional<std::vector<DriverUse>> read_driver_uses(const std::string& root) {
  const std::string folder = root + "/sys/class/kfd/kfd/proc";
  const auto names = names_in(folder);
  if (!names) return std::nullopt;
  std::vector<DriverUse> result;
  for (const std::string& name : *names) {
    const auto pid = parse<int>(name);
    if (pid.value_or(0) <= 0 || has_ended(root, *pid)) continue;
    UsesByGpu uses;
    if (!read_context(folder + "/" + name, *pid, uses)) return std::nullopt;
    for (const auto& [gpu_id, use] : uses) {
      if (use.has_queue || use.vram_bytes.value_or(1) > 0) result.push_back(use);
    }
  }
  std::sort(result.begin(), result.end(), [](const DriverUse& a, const DriverUse& b) {
    return std::pair(a.pid, a.gpu_id) < std::pair(b.pid, b.gpu_id);
  });
  return result;
}

void add_driver_uses(std::vector<GpuReading>& gpus, const std::vector<KfdNode>& nodes,
                     const std::vector<DriverUse>& uses) {
  for (const DriverUse& use : uses) {
    const auto node = std::find_if(nodes.begin(), nodes.end(),
                                   [&](const KfdNode& one) { return one.gpu_id == use.gpu_id; });
    for (GpuReading& gpu : gpus) {
      if (node == nodes.end() || gpu.runtime_index != node - nodes.begin()) continue;
      GpuProcess process;
      process.pid = use.pid;
      process.memory_mib = mib_rounded_up(use.vram_bytes);
      gpu.processes.push_back(std::move(process));
    }
  }
}

}  // namespace chg
