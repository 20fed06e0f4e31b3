// Reads NVIDIA GPUs by asking nvidia-smi.
#pragma once

#include <chrono>
#include <string>

#include "probe/probe.h"

namespace chg {

class NvidiaSmiProbe final : public Probe {
 public:
  /// `clock` must outlive the probe. `timeout` is for one reading, with all the questions that it
  /// asks. `program` is looked up in PATH.
  explicit NvidiaSmiProbe(const Clock& clock, Duration timeout = std::chrono::seconds(10),
                          std::string program = "nvidia-smi");

  /// Asks for the GPUs, and for processes only when some GPU has memory in use or doesn't tell.
  /// Processes that can't be listed at all are an Error too: their GPUs can't be told from free
  /// ones.
  ///
  /// MIG devices are not told: a GPU in MIG mode that uses memory, and of which no process is
  /// listed, has an `error`.
  Observation read_gpus() override;

  /// The same for a reading that began at `started` by other means: the timeout counts from then.
  Observation read_gpus_since(SteadyClock::time_point started);

 private:
  const Clock& clock_;
  Duration timeout_;
  std::string program_;
};

}  // namespace chg
