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
  /// `look` runs in another process: nothing of what it changes is seen here. What it throws is a
  /// failure with the reason Other. `name` says in messages what looks: "NVML".
  IsolatedProbe(std::string name, std::function<LookResult()> look,
                Duration deadline = std::chrono::seconds(10));

  /// As try_look; throws the Error of a failure.
  Observation look() override;

  /// What `look` gave, or why it gave nothing: Crashed when its process ended by itself, Late when
  /// the deadline has passed, which is then killed. One that can't be killed, since it is stuck in
  /// the kernel, is left to init. Never takes more than 0.2 s longer than the deadline.
  ///
  /// The process has a session of its own, the default action for every signal, no descriptor of
  /// this process (locks included), and nothing to read from or print to. It ends by itself soon
  /// after the deadline should nobody be left to kill it.
  /// REQUIRES: one thread.
  LookResult try_look();

 private:
  std::string name_;
  std::function<LookResult()> look_;
  Duration deadline_;
};

}  // namespace chg
