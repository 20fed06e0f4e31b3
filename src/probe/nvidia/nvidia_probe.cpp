#include "probe/nvidia/nvidia_probe.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/error.h"
#include "base/find_program.h"
#include "probe/isolated_probe.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvidia_smi_probe.h"
#include "probe/nvidia/nvml_probe.h"
#include "probe/probe.h"

namespace chg {
namespace {

using Reason = ReadFailure::Reason;

// Why the library was of no use, in a few words; "" where nvidia-smi could do no better.
std::string reason_to_go_on(Reason reason) {
  switch (reason) {
    case Reason::LibraryMissing:
      return "library not found";
    case Reason::LibraryUnusable:
      return "library cannot be used";
    case Reason::LibraryMismatch:
      return "driver/library version mismatch";
    case Reason::Crashed:
      return "crashed";
    case Reason::DriverNotLoaded:
    case Reason::Late:
    case Reason::Other:
      return "";
  }
  return "";
}

}  // namespace

Observation read_nvidia(const Clock& clock, Duration timeout, const std::optional<ProcReader>& proc,
                        const NvidiaSources& sources) {
  const auto started = SteadyClock::now();
  ReadResult result = read_isolated(
      "NVML", [&] { return read_nvml(clock, sources.library); }, timeout, proc);
  if (auto* observation = std::get_if<Observation>(&result)) return std::move(*observation);
  const auto& failure = std::get<ReadFailure>(result);
  if (failure.reason == Reason::Late) {
    throw Error(failure.error.kind(), failure.error.what(), nvidia_hints::when_late(timeout));
  }
  const std::string reason = reason_to_go_on(failure.reason);
  if (reason.empty() || !find_program(sources.program)) throw failure.error;
  Observation observation =
      read_nvidia_smi(clock, timeout, started, sources.program, sources.unlisted_max_mib);
  observation.source += fmt::format(" (NVML: {})", reason);
  return observation;
}

}  // namespace chg
