#include "probe/nvidia/nvidia_probe.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/find_program.h"
#include "probe/isolated_probe.h"
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

NvidiaProbe::NvidiaProbe(const Clock& clock, Duration timeout, std::optional<ProcReader> proc)
    : NvidiaProbe(clock, timeout, Sources(), std::move(proc)) {}

NvidiaProbe::NvidiaProbe(const Clock& clock, Duration timeout, Sources sources,
                         std::optional<ProcReader> proc)
    : clock_(clock), timeout_(timeout), sources_(std::move(sources)), proc_(std::move(proc)) {}

Observation NvidiaProbe::read_gpus() {
  const auto started = SteadyClock::now();
  IsolatedProbe nvml(
      "NVML", [this] { return NvmlProbe(clock_, sources_.library).try_read(); }, timeout_, proc_);
  ReadResult result = nvml.try_read();
  if (auto* observation = std::get_if<Observation>(&result)) return std::move(*observation);
  const auto& failure = std::get<ReadFailure>(result);
  const std::string reason = reason_to_go_on(failure.reason);
  if (reason.empty() || !find_program(sources_.program)) throw failure.error;
  NvidiaSmiProbe nvidia_smi(clock_, timeout_, sources_.program);
  Observation observation = nvidia_smi.read_gpus_since(started);
  observation.source += fmt::format(" (NVML: {})", reason);
  return observation;
}

}  // namespace chg
