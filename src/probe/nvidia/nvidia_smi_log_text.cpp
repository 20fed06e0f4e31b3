#include "probe/nvidia/nvidia_smi_log_text.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "probe/nvidia/wsl.h"

namespace chg {
namespace {

constexpr std::size_t kLogLineMax = 4096;
constexpr std::size_t kMigDevicesMax = 64;

// The lines without the white space around them, but for those that no tool writes.
template <typename Take>
void for_each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    if (!line.empty() && line.size() <= kLogLineMax) take(line);
  }
}

// "… (UUID: GPU-5f3a…)"
std::string_view uuid_in(std::string_view line) {
  constexpr std::string_view kBegin = "(UUID: ";
  const std::size_t begin = line.find(kBegin);
  if (begin == std::string_view::npos || line.back() != ')') return {};
  line.remove_prefix(begin + kBegin.size());
  return trimmed(line.substr(0, line.size() - 1));
}

template <typename Matches>
GpuReading* find_gpu(std::vector<GpuReading>& gpus, Matches matches) {
  const auto found = std::find_if(gpus.begin(), gpus.end(), matches);
  return found == gpus.end() ? nullptr : &*found;
}

// One entry of the log, which has one line for each of these.
struct Entry {
  int pid = 0;
  bool only_draws = false;
  std::string_view name;
  std::optional<std::uint64_t> memory_mib;
};

void enter(GpuReading* gpu, const Entry& entry, bool in_wsl) {
  if (gpu == nullptr || entry.pid == 0 || !entry.only_draws) return;
  const bool is_listed =
      std::any_of(gpu->processes.begin(), gpu->processes.end(),
                  [&](const GpuProcess& process) { return process.pid == entry.pid; });
  if (is_listed) return;
  GpuProcess process = process_named(entry.pid, entry.name);
  process.memory_mib = entry.memory_mib;
  if (in_wsl) note_windows(process, entry.name);
  process.type = GpuProcess::Type::Graphics;
  gpu->processes.push_back(std::move(process));
}

// "12 MiB"; nullopt for words in its place.
std::optional<std::uint64_t> mib_in(std::string_view value) {
  if (!value.ends_with(" MiB")) return std::nullopt;
  return parse<std::uint64_t>(value.substr(0, value.find(' ')));
}

}  // namespace

void add_mig_devices(std::vector<GpuReading>& gpus, std::string_view list) {
  GpuReading* gpu = nullptr;
  for_each_line(list, [&](std::string_view line) {
    const std::string_view uuid = uuid_in(line);
    if (line.starts_with("GPU ")) {
      gpu = find_gpu(gpus, [&](const GpuReading& one) { return one.uuid == uuid; });
    } else if (line.starts_with("MIG ") && !uuid.empty() && gpu != nullptr &&
               gpu->mig_devices.size() < kMigDevicesMax) {
      const std::string_view profile = trimmed(line.substr(4, line.find("Device") - 4));
      MigDevice& device = gpu->mig_devices.emplace_back();
      device.uuid = uuid;
      device.model = fmt::format("{} MIG {}", gpu->model, profile);
    }
  });
}

void add_graphics_processes(std::vector<GpuReading>& gpus, std::string_view log, bool in_wsl) {
  GpuReading* gpu = nullptr;
  Entry entry;
  const auto finish = [&] {
    enter(gpu, entry, in_wsl);
    entry = Entry();
  };
  for_each_line(log, [&](std::string_view line) {
    if (line.starts_with("GPU ")) {
      if (const auto address = parse_pci_address(line.substr(4))) {
        finish();
        const std::string bus_id = to_text(*address);
        gpu = find_gpu(gpus, [&](const GpuReading& one) { return one.pci_bus_id == bus_id; });
        return;
      }
    }
    std::string_view value = line;
    const std::string_view key = trimmed(cut(value, ':'));
    value = trimmed(value);
    if (key == "Process ID") {
      finish();
      const auto pid = parse<int>(value);
      entry.pid = pid && *pid > 0 ? *pid : 0;
    } else if (key == "Type") {
      entry.only_draws = value == "G";
    } else if (key == "Name") {
      entry.name = value;
    } else if (key == "Used GPU Memory") {
      entry.memory_mib = mib_in(value);
    }
  });
  finish();
}

}  // namespace chg
