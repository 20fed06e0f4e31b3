#include "probe/nvidia/nvidia_smi_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"

namespace chg {
namespace {

// No tool writes such a row; a broken one must not cost a view for every comma of 16 MiB.
constexpr std::size_t kLineBytesMax = 64U << 10;

constexpr int kIntMax = std::numeric_limits<int>::max();

// The fields of a line with `Count` of them. Where there are more, the column of free text has
// commas in it.
template <std::size_t Count>
std::optional<std::array<std::string_view, Count>> split_row(std::string_view line,
                                                             std::size_t free_text) {
  const auto commas = static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
  if (commas + 1 < Count || line.size() > kLineBytesMax) return std::nullopt;
  std::array<std::string_view, Count> fields;
  for (std::size_t i = 0; i < Count; ++i) {
    std::string_view field = line.substr(0, line.find(','));
    if (i == free_text) {
      for (std::size_t more = commas + 1 - Count; more > 0; --more) {
        field = line.substr(0, line.find(',', field.size() + 1));
      }
    }
    line.remove_prefix(std::min(field.size() + 1, line.size()));
    fields[i] = trimmed(field);
  }
  return fields;
}

// --- Single values ---

// Whether the field has words in place of a value. Brackets alone are enough, as drivers keep
// inventing reasons; the bare words are those that have been seen.
bool is_placeholder(std::string_view field) {
  static constexpr std::array<std::string_view, 12> kWords = {
      "",
      "n/a",
      "err!",
      "unknown",
      "unknown error",
      "not found",
      "not supported",
      "insufficient permissions",
      "function not found",
      "gpu is lost",
      "gpu requires reset",
      "requested functionality has been deprecated"};
  if (field.size() >= 2 && field.front() == '[' && field.back() == ']') return true;
  return std::find(kWords.begin(), kWords.end(), lower_case(field)) != kWords.end();
}

std::string_view text_of(std::string_view field) {
  return is_placeholder(field) ? std::string_view() : field;
}

std::optional<int> small_number_of(std::string_view field, int max = kIntMax) {
  const auto value = parse<int>(field);
  return value && *value >= 0 && *value <= max ? value : std::nullopt;
}

// What nvidia-smi calls a process is its program's path, or that with arguments behind it.
std::string_view program_in(std::string_view process_name) {
  const std::string_view name = text_of(process_name);
  const std::string_view path = name.substr(0, name.find(' '));
  return path.substr(path.rfind('/') + 1);
}

// --- GPUs ---

struct GpuLine {
  std::string_view index, uuid, bus_id, name, memory_used, memory_total, utilization, mig_mode;
};

std::optional<GpuLine> read_gpu_line(std::string_view line) {
  const auto fields = split_row<8>(line, 3);
  if (!fields) return std::nullopt;
  const auto& [index, uuid, bus_id, name, used, total, utilization, mig_mode] = *fields;
  // Any text may have the right number of commas.
  if (!small_number_of(index) && !text_of(uuid).starts_with("GPU-")) return std::nullopt;
  return GpuLine{index, uuid, bus_id, name, used, total, utilization, mig_mode};
}

int index_of(const GpuLine& line, std::size_t position) {
  return small_number_of(line.index).value_or(static_cast<int>(position));
}

// What the line says of the GPU as a whole; "" when it is nothing.
std::string error_of(const GpuLine& line) {
  std::string error;
  for (const std::string_view field : {line.uuid, line.bus_id, line.name, line.memory_used,
                                       line.memory_total, line.utilization, line.mig_mode}) {
    const std::string text = lower_case(field);
    if (text.find("gpu is lost") != std::string::npos) return "GPU is lost";
    if (text.find("gpu requires reset") != std::string::npos) error = "GPU requires reset";
    if (text == "err!" && error.empty()) error = "nvidia-smi reports ERR!";
  }
  return error;
}

GpuReading gpu_reading(const GpuLine& line, std::size_t position) {
  GpuReading reading;
  reading.index = index_of(line, position);
  reading.uuid = text_of(line.uuid);
  reading.model = text_of(line.name);
  if (const auto address = parse_pci_address(line.bus_id)) reading.pci_bus_id = to_text(*address);
  reading.memory_used_mib = parse<std::uint64_t>(line.memory_used);
  reading.memory_total_mib = parse<std::uint64_t>(line.memory_total);
  reading.utilization_percent = small_number_of(line.utilization, 100);
  reading.error = error_of(line);
  return reading;
}

// One GPU that nvidia-smi could not reach.
struct Unreachable {
  std::optional<int> index;
  std::string pci_bus_id;
  std::string error;
};

// "Unable to determine the device handle for GPU1: 0000:3B:00.0: GPU is lost.  Reboot …", with or
// without the index and the address.
std::optional<Unreachable> read_unreachable(std::string_view line) {
  constexpr std::string_view kBegin = "unable to determine the device handle for gpu";
  constexpr std::size_t kSentenceMax = 300;
  if (line.size() > kSentenceMax) return std::nullopt;
  const std::size_t begin = lower_case(line).find(kBegin);
  if (begin == std::string::npos) return std::nullopt;
  std::string_view rest = trimmed(line.substr(begin + kBegin.size()));
  const auto head = [&] { return rest.substr(0, rest.find(": ")); };
  const auto drop_head = [&] { rest.remove_prefix(std::min(head().size() + 2, rest.size())); };
  Unreachable gpu;
  gpu.index = small_number_of(head());
  if (gpu.index) drop_head();
  if (const auto address = parse_pci_address(head())) {
    gpu.pci_bus_id = to_text(*address);
    drop_head();
  }
  const std::string_view reason = trimmed(rest.substr(0, rest.find('.')));
  const bool is_lost = lower_case(reason).find("gpu is lost") != std::string::npos;
  gpu.error = is_lost ? "GPU is lost"
                      : fmt::format("nvidia-smi cannot reach it: {}",
                                    reason.empty() ? "no reason given" : reason);
  return gpu;
}

// Enters what is said of one GPU into the reading that it belongs to, or makes one if the index is
// known.
void add_unreachable(std::vector<GpuReading>& gpus, const Unreachable& unreachable) {
  for (GpuReading& gpu : gpus) {
    const bool is_same = gpu.pci_bus_id.empty() || unreachable.pci_bus_id.empty()
                             ? unreachable.index == gpu.index
                             : unreachable.pci_bus_id == gpu.pci_bus_id;
    if (!is_same) continue;
    if (gpu.error.empty()) gpu.error = unreachable.error;
    return;
  }
  if (!unreachable.index) return;
  GpuReading& reading = gpus.emplace_back();
  reading.index = *unreachable.index;
  reading.error = unreachable.error;
}

// --- Processes ---

std::optional<ListedProcess> read_process_line(std::string_view line) {
  const auto fields = split_row<4>(line, 2);
  if (!fields) return std::nullopt;
  const auto& [gpu_uuid, pid, name, memory] = *fields;
  const int number = small_number_of(pid).value_or(0);
  if (text_of(gpu_uuid).empty() || (number == 0 && !is_placeholder(pid))) return std::nullopt;
  ListedProcess listed;
  listed.gpu_uuid = gpu_uuid;
  listed.process.pid = number;
  listed.process.program = program_in(name);
  listed.process.memory_mib = parse<std::uint64_t>(memory);
  return listed;
}

bool is_remark(std::string_view line) {
  return line.empty() || line.starts_with("WARNING:") || read_unreachable(line).has_value();
}

}  // namespace

std::vector<GpuReading> parse_gpus(std::string_view text) {
  std::vector<GpuReading> gpus;
  std::vector<Unreachable> unreachable;
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    if (const auto gpu = read_gpu_line(line)) {
      gpus.push_back(gpu_reading(*gpu, gpus.size()));
    } else if (const auto one = read_unreachable(line)) {
      unreachable.push_back(*one);
    }
  }
  if (gpus.empty()) return gpus;
  for (const Unreachable& one : unreachable) add_unreachable(gpus, one);
  std::stable_sort(gpus.begin(), gpus.end(),
                   [](const GpuReading& a, const GpuReading& b) { return a.index < b.index; });
  return gpus;
}

std::vector<int> mig_gpus(std::string_view text) {
  std::vector<int> indices;
  std::size_t position = 0;
  while (!text.empty()) {
    const auto gpu = read_gpu_line(trimmed(cut(text, '\n')));
    if (!gpu) continue;
    const int index = index_of(*gpu, position++);
    if (lower_case(gpu->mig_mode) == "enabled") indices.push_back(index);
  }
  return indices;
}

ProcessTable parse_processes(std::string_view text) {
  ProcessTable table;
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    if (auto listed = read_process_line(line)) {
      table.processes.push_back(std::move(*listed));
    } else if (!is_remark(line)) {
      table.has_stray_text = true;
    }
  }
  return table;
}

void add_processes(std::vector<GpuReading>& gpus, const ProcessTable& table) {
  for (const ListedProcess& listed : table.processes) {
    for (GpuReading& gpu : gpus) {
      if (gpu.uuid.empty() || gpu.uuid != listed.gpu_uuid) continue;
      if (listed.process.pid > 0) {
        gpu.processes.push_back(listed.process);
      } else if (gpu.error.empty()) {
        gpu.error = "nvidia-smi does not tell its processes";
      }
    }
  }
}

}  // namespace chg
