// What GPU tools print and the kernel's files hold.
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "probe/amd/amd_smi_text.h"
#include "probe/amd/drm_clients.h"
#include "probe/amd/kfd_gpus.h"
#include "probe/amd/kfd_topology.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvidia_smi_log_text.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "probe/observation_text.h"
#include "probe/processes/cgroup_path.h"
#include "probe/result_text.h"

namespace chg {
namespace {

// A reading can be written and read again, though bytes that are no UTF-8 are replaced.
void require_readable(const std::vector<GpuReading>& gpus) {
  Observation observation;
  observation.gpus = gpus;
  const std::string text = observation_text(observation);
  CHG_FUZZ_REQUIRE(observation_text(parse_observation(text)) == text);
}

// Up to the first NUL, and behind it.
std::pair<std::string_view, std::string_view> halves(std::string_view bytes) {
  const std::size_t middle = std::min(bytes.find('\0'), bytes.size());
  return {bytes.substr(0, middle), bytes.substr(std::min(middle + 1, bytes.size()))};
}

}  // namespace

CHG_FUZZ_TARGET(nvidia_smi, gpus) {
  const auto [gpus_text, processes_text] = halves(bytes);
  std::vector<GpuReading> gpus = parse_gpus(gpus_text, first_columns(kGpuColumnsNeeded + 1));
  mig_gpus(gpus_text, first_columns(kGpuColumnsNeeded + 1));
  add_processes(gpus, parse_processes(processes_text));
  require_readable(gpus);
}

CHG_FUZZ_TARGET(nvidia_smi, health) {
  GpuColumns columns = first_columns();
  drop_unknown(columns, bytes);
  require_readable(parse_gpus(bytes, columns));
}

CHG_FUZZ_TARGET(nvidia_smi, log) {
  const auto [list, log] = halves(bytes);
  const std::string row = "0, GPU-a, 0000:1a:00.0, M, 900, 8, 9, Enabled\n";
  std::vector<GpuReading> gpus = parse_gpus(row, first_columns(kGpuColumnsNeeded + 1));
  add_mig_devices(gpus, list);
  add_graphics_processes(gpus, log);
  require_readable(gpus);
}

CHG_FUZZ_TARGET(nvidia_smi, failure) {
  const auto [out, err] = halves(bytes);
  throw nvidia_smi_error(out, err, static_cast<int>(bytes.size() % 256));
}

CHG_FUZZ_TARGET(amd_smi, answers) {
  const auto [first, second] = halves(bytes);
  parse_amd_smi_processes(second);
  parse_amd_smi_version(second);
  auto gpus = parse_amd_smi_gpus(first);
  if (!gpus) throw amd_smi_error(first, second, 1);
  add_amd_smi_metrics(*gpus, second);
  require_readable(*gpus);
}

CHG_FUZZ_TARGET(readings, observation) {
  const std::string text = observation_text(parse_observation(bytes));
  CHG_FUZZ_REQUIRE(observation_text(parse_observation(text)) == text);
}

CHG_FUZZ_TARGET(readings, look) {
  const std::string text = result_text(parse_result(bytes));
  CHG_FUZZ_REQUIRE(result_text(parse_result(text)) == text);
}

CHG_FUZZ_TARGET(readings, kernel_files) {
  parse_kfd_properties(bytes);
  parse_drm_fdinfo(bytes);
  parse_cgroup(bytes);
  const auto [device, table] = halves(bytes);
  marketing_name(table, device, "C1");
}

}  // namespace chg
