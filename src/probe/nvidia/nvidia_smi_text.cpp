#include "probe/nvidia/nvidia_smi_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>

#include <fmt/format.h>
#include <regex.h>

#include "base/pci_address.h"
#include "base/text.h"
#include "probe/csv_rows.h"
#include "probe/nvidia/nvidia_smi_value.h"

namespace chg {
namespace {

using namespace nvidia_smi_value;

std::string_view uuid_field(const CsvRow& row) { return text_of(row.field({"uuid", "gpu_uuid"})); }

std::optional<int> index_field(const CsvRow& row) {
  return small_number_of(row.field({"index"}), std::numeric_limits<int>::max());
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
  const auto field = [&](std::string_view column) { return row.field({column}); };
  return broken_gpu({field("uuid"), field("pci.bus_id"), field("name"), field("memory.used"),
                     field("memory.total"), field("utilization.gpu"), field("mig.mode.current")});
}

GpuReading gpu_reading(const CsvRow& row, std::size_t position) {
  GpuReading reading;
  reading.index = index_field(row).value_or(static_cast<int>(position));
  reading.uuid = uuid_field(row);
  reading.model = text_of(row.field({"name", "gpu_name"}));
  if (const auto address = parse_pci_address(row.field({"pci.bus_id", "gpu_bus_id"}))) {
    reading.pci_bus_id = to_text(*address);
  }
  reading.memory_used_mib = number_of(row.field({"memory.used"}), "MiB");
  reading.memory_total_mib = number_of(row.field({"memory.total"}), "MiB");
  reading.utilization_percent = small_number_of(row.field({"utilization.gpu"}), 100, "%");
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

// A POSIX expression (std::regex takes seconds to compile), whose groups are 2: the index, 3: the
// bus id, 4: the reason.
constexpr const char* kSentence =
    "handle for gpu[[:space:]]*(([0-9]+)[[:space:]]*:[[:space:]]+)?"
    "([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-9a-f])?[[:space:]]*:?[[:space:]]*([^.]*)";

// The groups of kSentence in `line`, "" for one that has no part in it; missing where it is not.
std::optional<std::array<std::string, 5>> match_sentence(const std::string& line) {
  static const regex_t compiled = [] {
    regex_t made{};
    if (::regcomp(&made, kSentence, REG_EXTENDED | REG_ICASE) != 0) throw std::bad_alloc();
    return made;
  }();
  std::array<regmatch_t, 5> found{};
  if (::regexec(&compiled, line.c_str(), found.size(), found.data(), 0) != 0) return std::nullopt;
  std::array<std::string, 5> groups;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (found[i].rm_so < 0) continue;
    groups[i] = line.substr(static_cast<std::size_t>(found[i].rm_so),
                            static_cast<std::size_t>(found[i].rm_eo - found[i].rm_so));
  }
  return groups;
}

std::optional<Unreachable> read_unreachable(std::string_view line) {
  // It is for a sentence, and need not be given a novel.
  if (line.size() > 300 || lower_case(line).find(kUnreachable) == std::string::npos) {
    return std::nullopt;
  }
  const auto match = match_sentence(std::string(line));
  if (!match) return std::nullopt;
  Unreachable gpu;
  gpu.index = small_number_of((*match)[2], std::numeric_limits<int>::max());
  gpu.bus_id = comparable_bus_id((*match)[3]);
  const std::string reason(trimmed((*match)[4]));
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
  // Without it, it is no list of those that run: --query-accounted-apps tells of the ended ones.
  const bool tells_memory = row.has_column("used_memory") || row.has_column("used_gpu_memory");
  const std::string_view pid = row.field({"pid"});
  return row.has_column("pid") && names_gpu && tells_memory &&
         (is_placeholder(pid) ||
          small_number_of(pid, std::numeric_limits<int>::max()).value_or(0) > 0);
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

std::vector<int> mig_gpus(std::string_view text, std::string_view columns) {
  std::vector<int> indices;
  int position = 0;
  for (const CsvRow& row : read_csv(text, columns, {"name", "gpu_name"}, is_gpu_row).rows) {
    const int index = index_field(row).value_or(position);
    ++position;
    if (lower_case(row.field({"mig.mode.current"})) == "enabled") indices.push_back(index);
  }
  return indices;
}

ProcessTable parse_processes(std::string_view text, std::string_view columns) {
  const CsvRows answer =
      read_csv(text, columns, {"process_name", "name", "gpu_name"}, is_process_row);
  ProcessTable table;
  for (const CsvRow& row : answer.rows) {
    ListedProcess listed;
    listed.gpu_uuid = uuid_field(row);
    listed.process.pid =
        small_number_of(row.field({"pid"}), std::numeric_limits<int>::max()).value_or(0);
    listed.process.program = program_of(row.field({"process_name", "name"}));
    listed.process.memory_mib = number_of(row.field({"used_memory", "used_gpu_memory"}), "MiB");
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
