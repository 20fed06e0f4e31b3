#include "app/visibility.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "core/gpu_ids.h"
#include "probe/amd/amd_visibility.h"
#include "process/job.h"

namespace chg {
namespace {

bool is_amd(const Granted& granted) { return granted.pool.provider == "amd"; }

std::string uuid_of(const Granted& granted, int index) {
  const Gpu* gpu = find_gpu(granted.pool, index);
  return gpu == nullptr ? "" : gpu->uuid;
}

Variables nvidia_variables(const Granted& granted) {
  std::vector<int> indices;
  for (const int index : granted.reservation.gpus) {
    const auto* reading = find_reading(granted.observation, uuid_of(granted, index), index);
    indices.push_back(reading == nullptr ? index : reading->index);
  }
  std::sort(indices.begin(), indices.end());
  return {{"CUDA_DEVICE_ORDER", "PCI_BUS_ID"}, {"CUDA_VISIBLE_DEVICES", to_id_list(indices)}};
}

Variables amd_variables(const Context& context, const Granted& granted) {
  std::vector<GpuReading> readings;
  for (const int index : granted.reservation.gpus) {
    const std::string uuid = uuid_of(granted, index);
    const auto* reading = find_reading(granted.observation, uuid, index);
    GpuReading known;
    known.index = index;
    known.uuid = uuid;
    readings.push_back(reading == nullptr ? known : *reading);
  }
  const AmdVariable chosen = context.options().amd_variable;
  const std::string own =
      chosen == AmdVariable::Hip ? "HIP_VISIBLE_DEVICES" : "ROCR_VISIBLE_DEVICES";
  Variables variables = {{own, amd_visible_devices(readings, chosen)}};
  for (const char* other : {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES",
                            "GPU_DEVICE_ORDINAL"}) {
    const bool is_set = std::getenv(other) != nullptr;
    if (own != other && is_set) variables.emplace_back(other, std::nullopt);
  }
  return variables;
}

std::string uuids(const Granted& granted) {
  std::vector<std::string> texts;
  for (const int index : granted.reservation.gpus) {
    const std::string uuid = uuid_of(granted, index);
    texts.push_back(uuid.empty() ? std::to_string(index) : uuid);
  }
  return fmt::format("{}", fmt::join(texts, ","));
}

}  // namespace

Variables shell_variables(const Context& context, const Granted& granted) {
  return is_amd(granted) ? amd_variables(context, granted) : nvidia_variables(granted);
}

Variables command_variables(const Context& context, const Granted& granted) {
  Variables variables = shell_variables(context, granted);
  if (!is_amd(granted)) variables.emplace_back("NVIDIA_VISIBLE_DEVICES", uuids(granted));
  variables.emplace_back(kReservationVariable, granted.reservation.id);
  return variables;
}

}  // namespace chg
