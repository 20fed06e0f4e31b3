#include "probe/amd/drm_clients.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <unistd.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "probe/sysfs.h"

namespace chg {
namespace {

constexpr std::string_view kDeviceFolder = "/dev/dri/";
constexpr std::uint64_t kHeldMax = 1ULL << 60;

using Names = std::vector<std::string>;

// "262144 KiB"
std::optional<std::uint64_t> parse_memory(std::string_view text) {
  const auto number = cut_number<std::uint64_t>(text);
  const std::string_view unit = trimmed(text);
  int shift = 0;
  if (unit == "KiB") shift = 10;
  if (unit == "MiB") shift = 20;
  if (!number || (shift == 0 && !unit.empty()) || *number > kHeldMax >> shift) return std::nullopt;
  return *number << shift;
}

std::map<std::string_view, std::string_view> fields_of(std::string_view text) {
  std::map<std::string_view, std::string_view> fields;
  while (!text.empty()) {
    std::string_view value = cut(text, '\n');
    const std::string_view name = cut(value, ':');
    if (name.starts_with("drm-")) fields.emplace(name, trimmed(value));
  }
  return fields;
}

bool is_drm_file(const std::string& link) {
  std::array<char, 64> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size > 0 &&
         std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with(kDeviceFolder);
}

std::vector<int> pids_in(const std::string& proc) {
  std::vector<int> pids;
  for (const std::string& name : names_in(proc).value_or(Names())) {
    const auto pid = parse<int>(name);
    if (pid.value_or(0) > 0) pids.push_back(*pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

// Adds what another client holds; unknown where that of either is.
void add(std::optional<std::uint64_t>& held, const std::optional<std::uint64_t>& bytes) {
  held = held && bytes ? std::optional(std::min(kHeldMax, *held + *bytes)) : std::nullopt;
}

bool is_listed(const GpuReading& gpu, int pid) {
  return std::any_of(gpu.processes.begin(), gpu.processes.end(),
                     [&](const GpuProcess& process) { return process.pid == pid; });
}

bool shares_address(const std::vector<GpuReading>& gpus, const GpuReading& gpu) {
  return std::count_if(gpus.begin(), gpus.end(), [&](const GpuReading& other) {
           return other.pci_bus_id == gpu.pci_bus_id;
         }) > 1;
}

}  // namespace

std::optional<DrmClient> parse_drm_fdinfo(std::string_view text) {
  const auto fields = fields_of(text);
  const auto field = [&](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string_view() : found->second;
  };
  const auto address = parse_pci_address(field("drm-pdev"));
  const auto client_id = parse<std::uint64_t>(field("drm-client-id"));
  if (!address || !client_id) return std::nullopt;
  DrmClient client;
  client.pci_bus_id = to_text(*address);
  client.client_id = *client_id;
  client.vram_bytes = parse_memory(field("drm-memory-vram"));
  if (!client.vram_bytes) client.vram_bytes = parse_memory(field("drm-resident-vram"));
  return client;
}

std::vector<DrmClient> read_drm_clients(const std::string& root) {
  const std::string proc = root + "/proc";
  std::vector<DrmClient> clients;
  std::set<std::pair<std::string, std::uint64_t>> seen;
  for (const int pid : pids_in(proc)) {
    const std::string folder = proc + "/" + std::to_string(pid);
    for (const std::string& name : names_in(folder + "/fd").value_or(Names())) {
      if (!is_drm_file(folder + "/fd/" + name)) continue;
      auto client = parse_drm_fdinfo(read_sysfs(folder + "/fdinfo/" + name).value_or(""));
      if (!client || !seen.emplace(client->pci_bus_id, client->client_id).second) continue;
      client->pid = pid;
      clients.push_back(std::move(*client));
    }
  }
  return clients;
}

void add_drm_clients(std::vector<GpuReading>& gpus, const std::vector<DrmClient>& clients) {
  for (GpuReading& gpu : gpus) {
    if (shares_address(gpus, gpu)) continue;
    std::map<int, std::optional<std::uint64_t>> held_by;
    for (const DrmClient& client : clients) {
      if (client.pci_bus_id != gpu.pci_bus_id) continue;
      add(held_by.try_emplace(client.pid, 0).first->second, client.vram_bytes);
    }
    for (const auto& [pid, vram_bytes] : held_by) {
      if (vram_bytes == 0 || is_listed(gpu, pid)) continue;
      GpuProcess process;
      process.pid = pid;
      process.type = GpuProcess::Type::Graphics;
      process.memory_mib = mib_rounded_up(vram_bytes);
      gpu.processes.push_back(std::move(process));
    }
  }
}

}  // namespace chg
