#include "probe/nvidia/nvidia_smi_xml.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/pci_address.h"
#include "probe/csv_rows.h"
#include "probe/nvidia/nvidia_smi_document.h"
#include "probe/nvidia/nvidia_smi_value.h"
#include "probe/nvidia/nvml_processes.h"

namespace chg {
namespace {

using namespace nvidia_smi_value;

constexpr int kIntMax = std::numeric_limits<int>::max();

std::optional<std::uint64_t> mib_at(const XmlFields& fields, std::string_view place) {
  return number_of(field_at(fields, place), "MiB");
}

std::string bus_id_of(const XmlFields& fields) {
  for (const std::string_view place : {"pci/pci_bus_id", "id"}) {
    if (const auto address = parse_pci_address(field_at(fields, place))) return to_text(*address);
  }
  return "";
}

// Drivers moved it, and split it in two: the average is what --query-gpu=power.draw and NVML tell.
std::optional<int> power_of(const XmlFields& fields) {
  for (const std::string_view place :
       {"power_readings/power_draw", "gpu_power_readings/power_draw",
        "gpu_power_readings/average_power_draw", "gpu_power_readings/instant_power_draw"}) {
    if (const auto watts = rounded_of(field_at(fields, place), "W")) return watts;
  }
  return std::nullopt;
}

MigDevice part_of(const XmlFields& fields, const GpuReading& gpu) {
  MigDevice part;
  part.uuid = text_of(field_at(fields, "uuid"));
  const auto instance = text_of(field_at(fields, "gpu_instance_id"));
  const auto compute_instance = text_of(field_at(fields, "compute_instance_id"));
  if (part.uuid.empty() && !gpu.uuid.empty() && !instance.empty() && !compute_instance.empty()) {
    part.uuid = fmt::format("MIG-{}/{}/{}", gpu.uuid, instance, compute_instance);
  }
  part.model = gpu.model.empty() ? "MIG" : gpu.model + " MIG";
  const auto count = number_of(field_at(fields, "device_attributes/shared/multiprocessor_count"));
  if (count) part.model += fmt::format(" {} SMs", *count);
  part.memory_used_mib = mib_at(fields, "fb_memory_usage/used");
  part.memory_total_mib = mib_at(fields, "fb_memory_usage/total");
  return part;
}

GpuProcess process_of(const XmlFields& fields) {
  GpuProcess process;
  process.pid = small_number_of(field_at(fields, "pid"), kIntMax).value_or(0);
  process.program = program_of(field_at(fields, "process_name"));
  process.memory_mib = mib_at(fields, "used_memory");
  process.type =
      field_at(fields, "type") == "G" ? GpuProcess::Type::Graphics : GpuProcess::Type::Compute;
  return process;
}

// A process is listed for each part that it is on.
std::vector<GpuProcess> processes_of(const std::vector<XmlFields>& listed) {
  std::vector<GpuProcess> processes;
  for (const XmlFields& fields : listed) {
    GpuProcess process = process_of(fields);
    if (process.pid > 0) processes.push_back(std::move(process));
  }
  return merge_parts({processes}, {});
}

bool may_be_held(const std::optional<std::uint64_t>& memory_used) {
  return memory_used.value_or(1) > 0;
}

bool may_be_held(const GpuReading& gpu) {
  return may_be_held(gpu.memory_used_mib) ||
         std::any_of(gpu.mig_devices.begin(), gpu.mig_devices.end(),
                     [](const MigDevice& part) { return may_be_held(part.memory_used_mib); });
}

// An empty list is told: an element with nothing, or "None", in it. Words are in place of a list.
bool are_processes_told(const XmlGpu& gpu) {
  if (gpu.processes.empty()) {
    const auto list = gpu.fields.find("processes");
    return list != gpu.fields.end() && (list->second.empty() || list->second == "None");
  }
  return std::all_of(gpu.processes.begin(), gpu.processes.end(),
                     [](const XmlFields& fields) { return process_of(fields).pid > 0; });
}

std::string error_of(const XmlGpu& gpu, const GpuReading& reading) {
  const auto field = [&](std::string_view place) { return field_at(gpu.fields, place); };
  std::string error =
      broken_gpu({field("uuid"), field("id"), field("product_name"), field("mig_mode/current_mig"),
                  field("fb_memory_usage/used"), field("fb_memory_usage/total"),
                  field("utilization/gpu_util"), field("processes")});
  if (!error.empty() || are_processes_told(gpu)) return error;
  return may_be_held(reading) || !gpu.processes.empty() ? kProcessesNotTold : "";
}

GpuReading reading_of(const XmlGpu& gpu, std::size_t place) {
  GpuReading reading;
  reading.index = static_cast<int>(place);
  reading.uuid = text_of(field_at(gpu.fields, "uuid"));
  reading.model = text_of(field_at(gpu.fields, "product_name"));
  reading.pci_bus_id = bus_id_of(gpu.fields);
  reading.memory_used_mib = mib_at(gpu.fields, "fb_memory_usage/used");
  reading.memory_total_mib = mib_at(gpu.fields, "fb_memory_usage/total");
  reading.utilization_percent =
      small_number_of(field_at(gpu.fields, "utilization/gpu_util"), 100, "%");
  reading.temperature_c =
      small_number_of(field_at(gpu.fields, "temperature/gpu_temp"), kIntMax, "C");
  reading.power_w = power_of(gpu.fields);
  for (const XmlFields& part : gpu.parts) reading.mig_devices.push_back(part_of(part, reading));
  reading.processes = processes_of(gpu.processes);
  reading.error = error_of(gpu, reading);
  return reading;
}

}  // namespace

std::vector<GpuReading> parse_gpus_xml(std::string_view text) {
  std::vector<GpuReading> gpus;
  for (const XmlGpu& gpu : read_nvidia_smi_document(text)) {
    gpus.push_back(reading_of(gpu, gpus.size()));
  }
  return gpus;
}

}  // namespace chg
