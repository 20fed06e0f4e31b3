// Reads NVIDIA GPUs, in the best way that this host offers.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

class NvidiaProbe final : public Probe {
 public:
  /// Where to read them. The defaults are for the real ones.
  struct Sources {
    std::string library = "libnvidia-ml.so.1";  ///< as for dlopen
    std::string program = "nvidia-smi";         ///< looked up in PATH
  };

  /// `clock` must outlive the probe. `timeout` is for one reading, with all that it tries.
  /// `proc` is as for IsolatedProbe.
  explicit NvidiaProbe(const Clock& clock, Duration timeout = std::chrono::seconds(10),
                       std::optional<ProcReader> proc = std::nullopt);
  NvidiaProbe(const Clock& clock, Duration timeout, Sources sources,
              std::optional<ProcReader> proc = std::nullopt);

  /// Asks the driver's library, in a process of its own, or where that can't be used (it is
  /// missing, too old, of another version than the driver, or crashes) nvidia-smi; the source says
  /// so: "nvidia-smi (NVML: library not found)". Driver failures and timeouts are final: nvidia-smi
  /// would report the same.
  /// Where nvidia-smi is not installed, the Error is the library's. REQUIRES: one thread.
  Observation read_gpus() override;

 private:
  const Clock& clock_;
  Duration timeout_;
  Sources sources_;
  std::optional<ProcReader> proc_;
};

}  // namespace chg
