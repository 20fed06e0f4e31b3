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
#include "probe/nvidia/nvidia_health.h"
#include "probe/nvidia/wsl.h"

namespace chg {
namespace {

// No tool writes such a row; a broken one must not cost a view for every comma of 16 MiB.
constexpr std::size_t kLineBytesMax = 64U << 10;

constexpr int kIntMax = std::numeric_limits<int>::max();

// The fields of a line with `count` of them. Where there are more, the column of free text has
// commas in it. Empty: it has fewer.
std::vector<std::string_view> split_row(std::string_view line, std::size_t count,
                                        std::size_t free_text) {
  std::vector<std::string_view> fields;
  const auto commas = static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
  if (commas + 1 < count || line.size() > kLineBytesMax) return fields;
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view field = line.substr(0, line.find(','));
    if (i == free_text) {
      for (std::size_t more = commas + 1 - count; more > 0; --more) {
        field = line.substr(0, line.find(',', field.size() + 1));
      }
    }
    line.remove_prefix(std::min(field.size() + 1, line.size()));
    fields.push_back(trimmed(field));
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

// Whether it says that its driver does not tell the value by design.
bool is_not_supported(std::string_view field) {
  const std::string word = lower_case(field);
  return word == "[n/a]" || word == "n/a" || word == "[not supported]" || word == "not supported";
}

std::string_view text_of(std::string_view field) {
  return is_placeholder(field) ? std::string_view() : field;
}

std::optional<int> small_number_of(std::string_view field, int max = kIntMax) {
  const auto value = parse<int>(field);
  return value && *value >= 0 && *value <= max ? value : std::nullopt;
}

// --- GPUs ---

struct GpuLine {
  std::string_view index, uuid, bus_id, name, memory_used, memory_total, utilization;
  // "" where they were not asked for.
  std::string_view mig_mode, retired_pages, remapped_rows, recovery;
};

std::optional<GpuLine> read_gpu_line(std::string_view line, const GpuColumns& columns) {
  const std::vector<std::string_view> answers = split_row(line, columns.size(), 3);
  if (answers.empty()) return std::nullopt;
  std::array<std::string_view, kGpuColumns.size()> fields;
  for (std::size_t i = 0, next = 0; i < fields.size() && next < columns.size(); ++i) {
    if (columns[next] == kGpuColumns[i]) fields[i] = answers[next++];
  }
  // Any text may have the right number of commas.
  if (!small_number_of(fields[0]) && !text_of(fields[1]).starts_with("GPU-")) return std::nullopt;
  return GpuLine{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5],
                 fields[6], fields[7], fields[8], fields[9], fields[10]};
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
  reading.memory_not_supported = is_not_supported(line.memory_used);
  reading.utilization_percent = small_number_of(line.utilization, 100);
  reading.error = error_of(line);
  if (reading.uuid.empty() && reading.error.empty()) {
    reading.error = "nvidia-smi does not tell its UUID";
  }
  note_recovery(reading, line.recovery);
  if (line.retired_pages == "Yes" || line.remapped_rows == "Yes") note_faulty_memory(reading);
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

std::optional<ListedProcess> read_process_line(std::string_view line, bool in_wsl) {
  const std::vector<std::string_view> fields = split_row(line, 4, 2);
  if (fields.empty()) return std::nullopt;
  const std::string_view gpu_uuid = fields[0];
  const std::string_view pid = fields[1];
  const int number = small_number_of(pid).value_or(0);
  if (text_of(gpu_uuid).empty() || (number == 0 && !is_placeholder(pid))) return std::nullopt;
  ListedProcess listed;
  listed.gpu_uuid = gpu_uuid;
  listed.process = process_named(number, fields[2]);
  listed.process.memory_mib = parse<std::uint64_t>(fields[3]);
  if (in_wsl) note_windows(listed.process, fields[2]);
  listed.is_not_supported = is_not_supported(pid) && is_not_supported(fields[3]);
  return listed;
}

bool is_remark(std::string_view line) {
  return line.empty() || line.starts_with("WARNING:") || read_unreachable(line).has_value();
}

}  // namespace

GpuProcess process_named(int pid, std::string_view name) {
  name = text_of(name);
  GpuProcess process;
  process.pid = pid;
  const std::string_view path = name.substr(0, name.find(' '));
  process.program = path.substr(path.rfind('/') + 1);
  return process;
}

GpuColumns first_columns(std::size_t count) {
  return GpuColumns(kGpuColumns.begin(), kGpuColumns.begin() + count);
}

bool drop_unknown(GpuColumns& columns, std::string_view answer) {
  if (lower_case(answer).find("is not a valid field to query") == std::string::npos) return false;
  const auto is_unknown = [&](std::string_view column) {
    return answer.find(fmt::format("\"{}\"", column)) != std::string_view::npos;
  };
  const auto optional = columns.begin() + kGpuColumnsNeeded;
  const auto end = std::remove_if(optional, columns.end(), is_unknown);
  const bool drops = end != columns.end();
  columns.erase(end, columns.end());
  return drops;
}

std::vector<GpuReading> parse_gpus(std::string_view text, const GpuColumns& columns) {
  std::vector<GpuReading> gpus;
  std::vector<Unreachable> unreachable;
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    if (const auto gpu = read_gpu_line(line, columns)) {
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

std::vector<int> mig_gpus(std::string_view text, const GpuColumns& columns) {
  std::vector<int> indices;
  std::size_t position = 0;
  while (!text.empty()) {
    const auto gpu = read_gpu_line(trimmed(cut(text, '\n')), columns);
    if (!gpu) continue;
    const int index = index_of(*gpu, position++);
    if (lower_case(gpu->mig_mode) == "enabled") indices.push_back(index);
  }
  return indices;
}

ProcessTable parse_processes(std::string_view text, bool in_wsl) {
  ProcessTable table;
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    if (auto listed = read_process_line(line, in_wsl)) {
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
      } else if (listed.is_not_supported) {
        gpu.processes_not_supported = true;
      } else if (gpu.error.empty()) {
        gpu.error = "nvidia-smi does not tell its processes";
      }
    }
  }
  // One that lists some processes hides the others.
  for (GpuReading& gpu : gpus) {
    if (gpu.processes.empty() || !gpu.processes_not_supported) continue;
    gpu.processes_not_supported = false;
    if (gpu.error.empty()) gpu.error = "nvidia-smi does not tell its processes";
  }
}

}  // namespace chg
