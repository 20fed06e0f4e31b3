// Looks in a process of its own: a vendor's library may crash, hang, print, or get stuck in the
// kernel, and none of that may reach the program.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "probe/look_result.h"
#include "probe/probe.h"
#include "probe/processes/proc_reader.h"

namespace chg {

class IsolatedProbe final : public Probe {
 public:
  /// `look` is run by run_isolated, under this name. What it throws is a failure with the reason
  /// Other. `proc`, where there is one, is asked about the listed processes in the same process,
  /// after the look: what happens to that then is no failure.
  IsolatedProbe(std::string name, std::function<LookResult()> look,
                Duration timeout = std::chrono::seconds(10),
                std::optional<ProcReader> proc = std::nullopt);

  /// As try_look; throws the Error of a failure.
  Observation look() override;

  /// What `look` gave, or why it gave nothing. REQUIRES: one thread.
  LookResult try_look();

  std::vector<GpuProcess> facts() const override { return facts_; }

 private:
  std::string name_;
  std::function<LookResult()> look_;
  Duration timeout_;
  std::optional<ProcReader> proc_;
  std::vector<GpuProcess> facts_;
};

}  // namespace chg
