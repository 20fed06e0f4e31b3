#include "probe/amd/amd_smi_text.h"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/number.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "probe/amd/amd_identity.h"
#include "probe/sysfs.h"
#include "probe/tool_json.h"

namespace chg {
namespace {

using nlohmann::json;

constexpr std::uint64_t kNumberMax = std::numeric_limits<int>::max();

// The entries of an answer, in either of its forms.
const json* entries(const json& answer) {
  if (const json* data = member(&answer, "gpu_data"); data != nullptr && data->is_array()) {
    return data;
  }
  return answer.is_array() ? &answer : nullptr;
}

std::optional<int> int_of(const json& entry, const char* key) {
  const auto number = json_number(member(&entry, key), kNumberMax);
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

std::uint64_t serial_number(const json* asic) {
  const std::string text = json_text(member(asic, "asic_serial"));
  const std::string_view digits =
      std::string_view(text).substr(text.starts_with("0x") || text.starts_with("0X") ? 2 : 0);
  return parse<std::uint64_t>(digits, 16).value_or(0);
}

// Where amd-smi does not know the name of a card it gives a number of the vendor or device.
std::string model_in(const json* asic) {
  const std::string name = readable_model(json_text(member(asic, "market_name")));
  const std::string architecture = json_text(member(asic, "target_graphics_version"));
  return name.empty() && architecture.starts_with("gfx") ? "AMD " + architecture : name;
}

std::string bus_id_of(const json& entry) {
  for (const json* place : {member(&entry, "bus"), &entry}) {
    const auto address = parse_pci_address(json_text(member(place, "bdf")));
    if (address) return to_text(*address);
  }
  return {};
}

std::optional<std::uint64_t> memory_mib(const json* memory, const char* key) {
  return mib_rounded_up(json_bytes(member(memory, key), "MB"));
}

// The first of these members that is a number in `unit`, up to `max`.
std::optional<int> first_of(const json* parent, std::initializer_list<const char*> keys,
                            std::string_view unit, double max) {
  for (const char* key : keys) {
    const auto value = json_quantity(member(parent, key), unit);
    if (value && *value <= max) return static_cast<int>(*value);
  }
  return std::nullopt;
}

void add_metrics(GpuReading& gpu, const json& entry) {
  const json* const memory = member(&entry, "mem_usage");
  gpu.memory_used_mib = memory_mib(memory, "used_vram");
  gpu.memory_total_mib = memory_mib(memory, "total_vram");
  if (!gpu.memory_total_mib) gpu.memory_total_mib = memory_mib(memory, "vram");
  gpu.utilization_percent =
      first_of(member(&entry, "usage"), {"gfx_activity", "gfx_usage"}, "%", 100);
  gpu.temperature_c = first_of(member(&entry, "temperature"), {"edge", "hotspot"}, "C", 1000);
  if (!gpu.temperature_c) {
    gpu.temperature_c = first_of(member(&entry, "temperature"), {"edge", "hotspot"}, "°C", 1000);
  }
  gpu.power_w =
      first_of(member(&entry, "power"),
               {"socket_power", "current_socket_power", "average_socket_power"}, "W", 100'000);
}

std::string program_of(const json& info) {
  const std::string name = json_text(member(&info, "name"));
  return name.substr(name.rfind('/') + 1);
}

std::optional<std::uint64_t> process_memory_mib(const json& info) {
  std::optional<std::uint64_t> bytes =
      json_bytes(member(member(&info, "memory_usage"), "vram_mem"), "B");
  for (const char* key : {"mem_usage", "mem"}) {
    const auto other = json_bytes(member(&info, key), "B");
    if (other) bytes = std::max(bytes.value_or(0), *other);
  }
  return mib_rounded_up(bytes);
}

GpuProcess process_of(const json& info) {
  GpuProcess process;
  process.pid = int_of(info, "pid").value_or(0);
  process.program = program_of(info);
  process.memory_mib = process_memory_mib(info);
  return process;
}

// Whether it is the sentence that stands for an empty list. "N/A" is none: that is unknown.
bool says_none(const json& value) {
  if (!value.is_string()) return false;
  const std::string text = lower_case(value.get_ref<const std::string&>());
  return text.starts_with("no running processes") || text == "not found";
}

// The processes of one `process_info`, whatever its form; false when it cannot be understood.
bool add_process_info(const json& info, std::vector<GpuProcess>& processes) {
  if (says_none(info)) return true;
  if (info.is_array()) {
    return std::all_of(info.begin(), info.end(), [&](const json& element) {
      return !element.is_array() && add_process_info(element, processes);
    });
  }
  if (!info.is_object()) return false;
  processes.push_back(process_of(info));
  return true;
}

// The processes of one GPU's entry; nullopt when it doesn't tell.
std::optional<std::vector<GpuProcess>> processes_of_gpu(const json& entry) {
  std::vector<GpuProcess> processes;
  const json* const single = member(&entry, "process_info");
  const json* const list = member(&entry, "process_list");
  if (list == nullptr) {
    if (single == nullptr || !add_process_info(*single, processes)) return std::nullopt;
    return processes;
  }
  if (says_none(*list)) return processes;
  if (!list->is_array()) return std::nullopt;
  for (const json& element : *list) {
    const json* const info = member(&element, "process_info");
    if (!add_process_info(info != nullptr ? *info : element, processes)) return std::nullopt;
  }
  return processes;
}

// What amd-smi says of its failure: its first line that is no ornament and no warning, or the last
// one where it is a program's trace that comes first.
std::string_view telling_line(std::string_view text) {
  std::string_view telling;
  while (!text.empty()) {
    const std::string_view line = trimmed(cut(text, '\n'));
    const bool is_ornament = line.find_first_not_of("=-+| ") == std::string_view::npos;
    if (is_ornament || lower_case(line).starts_with("warning")) continue;
    const bool is_trace = telling.empty() ? false : telling.starts_with("Traceback");
    if (telling.empty()) telling = line;
    if (is_trace && text.empty()) return line;
  }
  return telling;
}

}  // namespace

std::optional<std::vector<GpuReading>> parse_amd_smi_gpus(std::string_view text) {
  const auto answer = read_tool_json(text);
  const json* const list = answer ? entries(*answer) : nullptr;
  if (list == nullptr) return std::nullopt;
  std::vector<GpuReading> gpus;
  for (const json& entry : *list) {
    const auto number = int_of(entry, "gpu");
    if (!number) continue;
    const json* const asic = member(&entry, "asic");
    GpuReading gpu;
    gpu.index = *number;
    gpu.pci_bus_id = bus_id_of(entry);
    gpu.uuid = amd_uuid(serial_number(asic), gpu.pci_bus_id);
    gpu.model = model_in(asic);
    gpus.push_back(std::move(gpu));
  }
  if (gpus.empty()) return std::nullopt;
  return gpus;
}

bool add_amd_smi_metrics(std::vector<GpuReading>& gpus, std::string_view text) {
  const auto answer = read_tool_json(text);
  const json* const list = answer ? entries(*answer) : nullptr;
  if (list == nullptr) return false;
  bool has_any = false;
  for (const json& entry : *list) {
    const auto number = int_of(entry, "gpu");
    for (GpuReading& gpu : gpus) {
      if (gpu.index != number) continue;
      add_metrics(gpu, entry);
      has_any = true;
    }
  }
  return has_any;
}

std::optional<std::map<int, std::vector<GpuProcess>>> parse_amd_smi_processes(
    std::string_view text) {
  const auto answer = read_tool_json(text);
  const json* const list = answer ? entries(*answer) : nullptr;
  if (list == nullptr) return std::nullopt;
  std::map<int, std::vector<GpuProcess>> by_gpu;
  std::set<int> unknown;
  for (const json& entry : *list) {
    const auto number = int_of(entry, "gpu");
    if (!number) continue;
    // The oldest form has an entry for each process, so a GPU may come again.
    const auto processes = processes_of_gpu(entry);
    if (!processes) unknown.insert(*number);
    std::vector<GpuProcess>& known = by_gpu[*number];
    if (processes) known.insert(known.end(), processes->begin(), processes->end());
  }
  for (const int number : unknown) by_gpu.erase(number);
  return by_gpu;
}

std::string parse_amd_smi_version(std::string_view text) {
  constexpr std::string_view kTool = "AMDSMI Tool";
  std::size_t position = text.find(kTool);
  if (position == std::string_view::npos) return {};
  position = text.find_first_of("0123456789", position + kTool.size());
  if (position == std::string_view::npos) return {};
  const std::string_view rest = text.substr(position, 32);
  const std::string_view version = rest.substr(0, rest.find_first_not_of("0123456789."));
  const std::size_t dot = version.find('.');
  if (dot == std::string_view::npos) return std::string(version);
  return std::string(version.substr(0, version.find('.', dot + 1)));
}

Error amd_smi_error(std::string_view out, std::string_view err, int exit_status) {
  const bool lacks_groups = out.find("required groups") != std::string_view::npos ||
                            err.find("required groups") != std::string_view::npos;
  const std::string hint = lacks_groups ? "reading AMD GPUs takes the groups 'render' and 'video'"
                                        : "run `amd-smi` to see what it says";
  for (const std::string_view text : {err, out}) {
    const std::string_view words = telling_line(text);
    if (words.empty()) continue;
    return Error(ErrorKind::Failed, fmt::format("amd-smi failed: '{}'", printable(words, 120)),
                 hint);
  }
  return Error(ErrorKind::Failed,
               exit_status == 0 ? "amd-smi gave no readings"
                                : fmt::format("amd-smi failed with exit status {}", exit_status),
               hint);
}

}  // namespace chg
