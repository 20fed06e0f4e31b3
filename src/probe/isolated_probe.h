// Reads the GPUs in a process of its own: a vendor's library may crash, hang, print, or get stuck
// in the kernel, and none of that may reach the program.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

class IsolatedProbe final : public Probe {
 public:
  /// `read` is run by run_isolated, under this name. What it throws is a failure with the reason
  /// Other. `proc`, where there is one, is asked about the listed processes by the same process,
  /// after `read`; that it hangs or crashes then is no failure.
  IsolatedProbe(std::string name, std::function<ReadResult()> read,
                Duration timeout = std::chrono::seconds(10),
                std::optional<ProcReader> proc = std::nullopt);

  /// As try_read; throws the Error of a failure.
  Observation read_gpus() override;

  /// What `read` gave, or why it gave nothing. REQUIRES: one thread.
  ReadResult try_read();

 private:
  std::string name_;
  std::function<ReadResult()> read_;
  Duration timeout_;
  std::optional<ProcReader> proc_;
};

}  // namespace chg
