#include "probe/amd/amd_visibility.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "probe/amd/amd_identity.h"

namespace chg {
namespace {

constexpr const char* kNameless =
    "no program can be told to use it: it has no unique id and no known number";

// "" where there is none.
std::string name_of(const GpuReading& gpu, AmdVariable variable) {
  const std::string number = gpu.runtime_index ? std::to_string(*gpu.runtime_index) : "";
  const std::string uuid = unique_id_of(gpu.uuid).value_or(0) != 0 ? gpu.uuid : "";
  if (variable == AmdVariable::Hip) return number.empty() ? uuid : number;
  return uuid.empty() ? number : uuid;
}

}  // namespace

std::string amd_visible_devices(const std::vector<GpuReading>& granted, AmdVariable variable) {
  std::string list;
  for (const GpuReading& gpu : granted) {
    const std::string name = name_of(gpu, variable);
    if (name.empty()) {
      throw Error(ErrorKind::Failed,
                  fmt::format("GPU {} ('{}'): {}", gpu.index, printable(gpu.uuid), kNameless));
    }
    list += (list.empty() ? "" : ",") + name;
  }
  return list;
}

void refuse_nameless(std::vector<GpuReading>& gpus) {
  for (GpuReading& gpu : gpus) {
    const bool is_nameless = name_of(gpu, AmdVariable::Hip).empty();
    if (!is_nameless || !gpu.error.empty()) continue;
    gpu.error = kNameless;
    gpu.error_is_final = true;
  }
}

}  // namespace chg
