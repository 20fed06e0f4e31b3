#include "probe/observation_text.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "core/fields.h"

namespace chg {

struct SharedObservation {
  std::uint64_t format = 0;
  Observation observation;
};

constexpr auto fields_of(const SharedObservation*) {
  return std::tuple(field("format", &SharedObservation::format),
                    field("observation", &SharedObservation::observation));
}

namespace {

// To be counted up whenever an older program would misread the text.
constexpr std::uint64_t kFormat = 2;

constexpr std::uint64_t kMemoryMax = 1ULL << 44U;
constexpr Duration kTimeMax{std::int64_t{1} << 62U};

[[noreturn]] void refuse(std::string_view what) {
  throw Error(ErrorKind::Failed,
              "the text of a reading of the GPUs is damaged: " + printable(what, 80));
}

void require_sane(const std::optional<std::uint64_t>& memory_mib) {
  if (memory_mib && *memory_mib > kMemoryMax) refuse("there is no such memory");
}

void require_sane(Duration time) {
  if (time > kTimeMax || time < -kTimeMax) refuse("there is no such time");
}

void require_sane(const GpuReading& gpu) {
  if (gpu.index < 0) refuse("no GPU has such an index");
  require_sane(gpu.memory_used_mib);
  require_sane(gpu.memory_total_mib);
  for (const MigDevice& device : gpu.mig_devices) {
    require_sane(device.memory_used_mib);
    require_sane(device.memory_total_mib);
  }
  for (const GpuProcess& process : gpu.processes) {
    if (process.pid < 1) refuse("no process has such a pid");
    require_sane(process.memory_mib);
    require_sane(process.started.value_or(Duration{}));
  }
}

}  // namespace

std::string observation_text(const Observation& observation) {
  return write_json(SharedObservation{kFormat, observation});
}

Observation parse_observation(std::string_view text) {
  try {
    SharedObservation shared = read_json<SharedObservation>(text);
    if (shared.format != kFormat) refuse("it has an unknown format");
    if (shared.observation.observer.pid < 0) refuse("no process has such a pid");
    require_sane(shared.observation.taken.wall.time_since_epoch());
    require_sane(shared.observation.taken.boot);
    for (GpuReading& gpu : shared.observation.gpus) {
      require_sane(gpu);
      // Whoever reads the text asks /proc for himself; nobody shares what it said.
      gpu.suspects.clear();
      for (GpuProcess& process : gpu.processes) {
        process.asked_proc = false;
        process.job_mark = 0;
      }
    }
    return std::move(shared.observation);
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
}

}  // namespace chg
