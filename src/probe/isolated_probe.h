// Looks in a process of its own: a vendor's library may crash, hang, print, or get stuck in the
// kernel, and none of that may reach the program.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "probe/look_result.h"
#include "probe/probe.h"

namespace chg {

class IsolatedProbe final : public Probe {
 public:
  /// `look` is run by run_isolated, under this name. What it throws is a failure with the reason
  /// Other.
  IsolatedProbe(std::string name, std::function<LookResult()> look,
                Duration deadline = std::chrono::seconds(10));

  /// As try_look; throws the Error of a failure.
  Observation look() override;

  /// What `look` gave, or why it gave nothing. REQUIRES: one thread.
  LookResult try_look();

 private:
  std::string name_;
  std::function<LookResult()> look_;
  Duration deadline_;
};

}  // namespace chg
