#include "probe/amd/rocm_smi_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/pci_address.h"
#include "probe/amd/amd_identity.h"
#include "probe/csv_rows.h"
#include "probe/sysfs.h"
#include "probe/tool_json.h"

namespace chg {
namespace {

using nlohmann::json;

std::optional<int> number_behind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto number = parse_decimal(name.substr(prefix.size()));
  return number && std::in_range<int>(*number) ? std::optional(static_cast<int>(*number))
                                               : std::nullopt;
}

// The first of these values that the card has; names are in lower case.
std::string value_of(const json& card, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const auto& [key, value] : card.items()) {
      if (lower_case(key) != name) continue;
      const std::string text = json_text(&value);
      if (!text.empty()) return text;
    }
  }
  return {};
}

std::optional<std::uint64_t> mib_in(const std::string& text) {
  const auto bytes = parse_decimal(text);
  return bytes ? std::optional(mib_of_bytes(*bytes)) : std::nullopt;
}

// "53.0", cut to a whole number up to `max`.
std::optional<int> whole_number(const std::string& text, double max) {
  const json value(text);
  const auto number = json_quantity(&value, "");
  return number && *number <= max ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

std::uint64_t unique_id_in(const std::string& text) {
  if (!text.starts_with("0x")) return 0;
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [read_to, problem] = std::from_chars(text.data() + 2, end, value, 16);
  return problem == std::errc() && read_to == end ? value : 0;
}

GpuReading reading_of(const json& card, int number) {
  GpuReading gpu;
  gpu.index = number;
  const auto address = parse_pci_address(value_of(card, {"pci bus"}));
  if (address) gpu.pci_bus_id = to_text(*address);
  gpu.uuid = amd_uuid(unique_id_in(value_of(card, {"unique id"})), gpu.pci_bus_id);
  gpu.model = value_of(card, {"card series", "device name", "card model"});
  gpu.memory_used_mib = mib_in(value_of(card, {"vram total used memory (b)"}));
  gpu.memory_total_mib = mib_in(value_of(card, {"vram total memory (b)"}));
  gpu.utilization_percent = whole_number(value_of(card, {"gpu use (%)"}), 100);
  gpu.temperature_c = whole_number(
      value_of(card, {"temperature (sensor edge) (c)", "temperature (sensor junction) (c)"}), 1000);
  gpu.power_w = whole_number(value_of(card, {"average graphics package power (w)",
                                             "current socket graphics package power (w)"}),
                             100'000);
  return gpu;
}

// "name, GPUs, VRAM, SDMA, CU occupancy": the four at the end can't hold commas.
std::optional<RocmSmiProcess> process_of(int pid, std::string_view text) {
  std::array<std::string_view, 4> fields;
  for (std::size_t i = fields.size(); i > 0; --i) {
    const std::size_t comma = text.rfind(',');
    if (comma == std::string_view::npos) return std::nullopt;
    fields[i - 1] = text.substr(comma + 1);
    text = text.substr(0, comma);
  }
  RocmSmiProcess process;
  process.pid = pid;
  const std::string name(trimmed(text));
  if (name != "UNKNOWN") process.program = name.substr(name.rfind('/') + 1);
  process.gpu_count = parse_decimal(fields[0]);
  process.vram_bytes = parse_decimal(fields[1]);
  return process;
}

void add_numbers(std::string_view line, std::vector<int>& cards) {
  while (!line.empty()) {
    const std::size_t end = line.find(' ');
    if (const auto number = number_behind("", line.substr(0, end))) cards.push_back(*number);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
}

// "PID 123 is using 2 DRM device(s):"
struct PidLine {
  int pid = 0;
  std::size_t count = 0;
};

std::optional<PidLine> read_pid_line(std::string_view line) {
  constexpr std::string_view kPid = "PID ";
  constexpr std::string_view kUsing = " is using ";
  const std::size_t verb = line.find(kUsing);
  if (!line.starts_with(kPid) || verb == std::string_view::npos) return std::nullopt;
  const auto pid = number_behind(kPid, line.substr(0, verb));
  const std::string_view rest = line.substr(verb + kUsing.size());
  const auto count = number_behind("", rest.substr(0, rest.find(' ')));
  if (!pid || !count || rest.find("DRM device") == std::string_view::npos) return std::nullopt;
  return PidLine{*pid, static_cast<std::size_t>(*count)};
}

bool could_be_on(const RocmSmiProcess& process, const GpuReading& card) {
  const bool is_one_gpu = process.gpu_count.value_or(2) <= 1;
  if (!is_one_gpu || !process.vram_bytes || !card.memory_used_mib) return true;
  return *process.vram_bytes <= *card.memory_used_mib << 20;
}

// On one of several cards it may hold all that is used there, and not more.
std::optional<std::uint64_t> memory_on(const GpuReading& card, const RocmSmiProcess& process,
                                       bool is_on_one) {
  if (!process.vram_bytes) return std::nullopt;
  const std::uint64_t whole = mib_of_bytes(*process.vram_bytes);
  if (is_on_one) return whole;
  if (!card.memory_used_mib) return std::nullopt;
  return std::min(whole, *card.memory_used_mib);
}

}  // namespace

std::optional<std::vector<GpuReading>> parse_rocm_smi_gpus(std::string_view text) {
  const auto answer = read_tool_json(text);
  if (!answer || !answer->is_object()) return std::nullopt;
  std::vector<GpuReading> cards;
  for (const auto& [key, value] : answer->items()) {
    const auto number = number_behind("card", key);
    if (number && value.is_object()) cards.push_back(reading_of(value, *number));
  }
  if (cards.empty()) return std::nullopt;
  std::stable_sort(cards.begin(), cards.end(),
                   [](const GpuReading& a, const GpuReading& b) { return a.index < b.index; });
  return cards;
}

std::optional<std::vector<RocmSmiProcess>> parse_rocm_smi_processes(std::string_view text) {
  const auto answer = read_tool_json(text);
  std::vector<RocmSmiProcess> processes;
  if (!answer) {
    const bool is_none = text.find("No JSON data to report") != std::string_view::npos;
    return is_none ? std::optional(processes) : std::nullopt;
  }
  const json* const system = member(&*answer, "system");
  if (system == nullptr || !system->is_object()) return std::nullopt;
  for (const auto& [key, value] : system->items()) {
    const auto pid = number_behind("PID", key);
    if (!pid || *pid == 0 || !value.is_string()) continue;
    const auto process = process_of(*pid, value.get_ref<const std::string&>());
    if (!process) return std::nullopt;
    processes.push_back(*process);
  }
  return processes;
}

std::map<int, std::vector<int>> parse_rocm_smi_pid_gpus(std::string_view text) {
  std::map<int, std::vector<int>> result;
  std::map<int, std::size_t> counts;
  std::optional<int> pid;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (const auto found = read_pid_line(line)) {
      pid = found->pid;
      counts[*pid] = found->count;
      result[*pid].clear();
    } else if (line.find_first_not_of("0123456789 ") != std::string_view::npos) {
      pid = std::nullopt;
    } else if (pid) {
      add_numbers(line, result[*pid]);
    }
  }
  std::erase_if(result,
                [&](const auto& entry) { return entry.second.size() != counts[entry.first]; });
  return result;
}

void add_rocm_smi_processes(std::vector<GpuReading>& cards,
                            const std::vector<RocmSmiProcess>& processes,
                            const std::map<int, std::vector<int>>& pid_gpus) {
  for (const RocmSmiProcess& process : processes) {
    const auto known = pid_gpus.find(process.pid);
    const bool is_known = known != pid_gpus.end() && !known->second.empty();
    if (!is_known && process.gpu_count == 0 && process.vram_bytes == 0) continue;
    const bool is_on_one = is_known ? known->second.size() == 1 : cards.size() == 1;
    for (GpuReading& card : cards) {
      const bool is_here =
          is_known ? std::count(known->second.begin(), known->second.end(), card.index) > 0
                   : could_be_on(process, card);
      if (!is_here) continue;
      GpuProcess listed;
      listed.pid = process.pid;
      listed.program = process.program;
      listed.memory_mib = memory_on(card, process, is_on_one);
      card.processes.push_back(std::move(listed));
    }
  }
}

}  // namespace chg
