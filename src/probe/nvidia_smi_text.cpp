#include "probe/nvidia_smi_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <regex>

#include <fmt/format.h>

#include "probe/csv_rows.h"

namespace chg {
namespace {

// "[N/A]", "N/A", "[Not Supported]", "ERR!" …: words in place of a value. Brackets alone are
// enough, as drivers keep inventing reasons; the bare words are those that have been seen.
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

std::string_view text_value(std::string_view field) {
  return is_placeholder(field) ? std::string_view() : field;
}

// A whole number, with `unit` behind it or without. Another unit would be another quantity.
std::optional<std::uint64_t> number(std::string_view field, std::string_view unit = {}) {
  std::uint64_t value = 0;
  const char* const end = field.data() + field.size();
  const auto [rest, problem] = std::from_chars(field.data(), end, value);
  if (problem != std::errc()) return std::nullopt;
  const std::string_view tail =
      trimmed(std::string_view(rest, static_cast<std::size_t>(end - rest)));
  if (!tail.empty() && tail != unit) return std::nullopt;
  return value;
}

std::optional<int> small_number(std::string_view field, int max, std::string_view unit = {}) {
  const std::optional<std::uint64_t> value = number(field, unit);
  if (!value || *value > static_cast<std::uint64_t>(max)) return std::nullopt;
  return static_cast<int>(*value);
}

std::string_view uuid_field(const CsvRow& row) {
  return text_value(row.field({"uuid", "gpu_uuid"}));
}

std::optional<int> index_field(const CsvRow& row) {
  return small_number(row.field({"index"}), std::numeric_limits<int>::max());
}

// A row that has an identity must tell it: any text may have the right number of commas.
bool is_gpu_row(const CsvRow& row) {
  if (row.has_column("index") || row.has_column("uuid")) {
    return index_field(row) || uuid_field(row).starts_with("GPU-");
  }
  return row.has_column("memory.used") || row.has_column("memory.total");
}

// Only the columns that say whether the GPU as a whole works: ERR! of a fan is no reason to lose
// one.
std::string error_of(const CsvRow& row) {
  std::string error;
  for (const std::string_view column : {"uuid", "pci.bus_id", "name", "memory.used", "memory.total",
                                        "utilization.gpu", "mig.mode.current"}) {
    const std::string text = lower_case(row.field({column}));
    if (text.find("gpu is lost") != std::string::npos) return "GPU is lost";
    if (text.find("gpu requires reset") != std::string::npos) error = "GPU requires reset";
    if (text == "err!" && error.empty()) error = "nvidia-smi reports ERR!";
  }
  return error;
}

GpuReading gpu_reading(const CsvRow& row, std::size_t position) {
  GpuReading reading;
  reading.index = index_field(row).value_or(static_cast<int>(position));
  reading.uuid = uuid_field(row);
  reading.model = text_value(row.field({"name", "gpu_name"}));
  reading.memory_used_mib = number(row.field({"memory.used"}), "MiB");
  reading.memory_total_mib = number(row.field({"memory.total"}), "MiB");
  reading.utilization_percent =
      small_number(row.field({"utilization.gpu", "mig.mode.current"}), 100, "%");
  reading.error = error_of(row);
  return reading;
}

// "00000000:0A:00.0" and "0000:0a:00.0" are one address: the domain has 4 or 8 digits.
std::string comparable_bus_id(std::string_view bus_id) {
  const std::size_t domain_end = bus_id.find(':');
  const std::size_t first = bus_id.find_first_not_of('0');
  if (domain_end == std::string_view::npos || first == std::string_view::npos) return {};
  return lower_case(bus_id.substr(std::min(first, domain_end)));
}

// One GPU that nvidia-smi could not reach.
struct Unreachable {
  std::optional<int> index;
  std::string bus_id;
  std::string error;
};

constexpr std::string_view kUnreachable = "unable to determine the device handle for gpu";

std::optional<Unreachable> read_unreachable(std::string_view line) {
  // The expression is for a sentence; std::regex recurses, and must not be given a novel.
  if (line.size() > 300 || lower_case(line).find(kUnreachable) == std::string::npos) {
    return std::nullopt;
  }
  static const std::regex kSentence(
      R"(handle for gpu\s*(?:(\d+)\s*:\s+)?)"
      R"(([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])?\s*:?\s*([^.]*))",
      std::regex::icase);
  std::cmatch match;
  if (!std::regex_search(line.data(), line.data() + line.size(), match, kSentence)) {
    return std::nullopt;
  }
  Unreachable gpu;
  gpu.index = small_number(match[1].str(), std::numeric_limits<int>::max());
  gpu.bus_id = comparable_bus_id(match[2].str());
  const std::string reason(trimmed(match[3].str()));
  const bool is_lost = lower_case(reason).find("gpu is lost") != std::string::npos;
  gpu.error = is_lost ? "GPU is lost"
                      : fmt::format("nvidia-smi cannot reach it: {}",
                                    reason.empty() ? "no reason given" : reason);
  return gpu;
}

// Enters what is said of one GPU into the reading that it belongs to, or makes one if the index is
// known. `rows` and `gpus` are parallel up to the rows' end.
void add_unreachable(std::vector<GpuReading>& gpus, const std::vector<CsvRow>& rows,
                     const Unreachable& unreachable) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string bus_id = comparable_bus_id(rows[i].field({"pci.bus_id", "gpu_bus_id"}));
    const bool is_same = bus_id.empty() || unreachable.bus_id.empty()
                             ? unreachable.index == gpus[i].index
                             : unreachable.bus_id == bus_id;
    if (!is_same) continue;
    if (gpus[i].error.empty()) gpus[i].error = unreachable.error;
    return;
  }
  if (!unreachable.index) return;
  GpuReading reading;
  reading.index = *unreachable.index;
  reading.error = unreachable.error;
  gpus.push_back(std::move(reading));
}

bool is_process_row(const CsvRow& row) {
  const bool names_gpu = !row.has_column("gpu_uuid") || !uuid_field(row).empty();
  const std::string_view pid = row.field({"pid"});
  return row.has_column("pid") && names_gpu &&
         (is_placeholder(pid) ||
          small_number(pid, std::numeric_limits<int>::max()).value_or(0) > 0);
}

// What nvidia-smi calls a process is its program's path, or that with arguments behind it.
std::string_view program_name(std::string_view process_name) {
  const std::string_view path = process_name.substr(0, process_name.find(' '));
  return path.substr(path.rfind('/') + 1);
}

bool is_remark(std::string_view line) {
  return line.starts_with("WARNING:") || read_unreachable(line).has_value();
}

}  // namespace

std::vector<GpuReading> parse_gpus(std::string_view text, std::string_view columns) {
  const CsvRows answer = read_csv(text, columns, {"name", "gpu_name"}, is_gpu_row);
  std::vector<GpuReading> gpus;
  for (const CsvRow& row : answer.rows) gpus.push_back(gpu_reading(row, gpus.size()));
  if (gpus.empty()) return gpus;
  for (const std::string_view line : answer.others) {
    if (const auto unreachable = read_unreachable(line)) {
      add_unreachable(gpus, answer.rows, *unreachable);
    }
  }
  std::stable_sort(gpus.begin(), gpus.end(),
                   [](const GpuReading& a, const GpuReading& b) { return a.index < b.index; });
  return gpus;
}

ProcessTable parse_processes(std::string_view text, std::string_view columns) {
  const CsvRows answer =
      read_csv(text, columns, {"process_name", "name", "gpu_name"}, is_process_row);
  ProcessTable table;
  for (const CsvRow& row : answer.rows) {
    ListedProcess listed;
    listed.gpu_uuid = uuid_field(row);
    listed.process.pid =
        small_number(row.field({"pid"}), std::numeric_limits<int>::max()).value_or(0);
    listed.process.program = program_name(text_value(row.field({"process_name", "name"})));
    listed.process.memory_mib = number(row.field({"used_memory", "used_gpu_memory"}), "MiB");
    table.processes.push_back(std::move(listed));
  }
  table.has_stray_text = !std::all_of(answer.others.begin(), answer.others.end(), is_remark);
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
