// What a supervisor tells the user of its run, on the stderr that the run began with.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace chg {

struct NamedProcess {
  int pid = 0;
  std::string name;     ///< the kernel's; may hold anything
  std::string account;  ///< whose it is, where the run's owner may not signal it; else ""
};

/// The command has ended, and these processes of the run live on without using its GPUs.
struct LivesOn {
  std::vector<NamedProcess> processes;
  std::vector<int> gpus;  ///< the run's
  Duration grace{};       ///< for which they keep them (leftovers.grace)
  bool is_inner = false;  ///< inside a reservation, which `release` would end, too
};

/// The command has ended, and these processes of the run keep its GPUs for as long as they use
/// them.
struct KeepsGpus {
  std::vector<NamedProcess> processes;
  std::vector<int> gpus;  ///< the run's
  std::vector<int> used;  ///< those that they use; empty where that can't be seen
  bool is_inner = false;  ///< as above
};

/// The supervisor sends a signal to these processes of the run.
struct SendsSignal {
  enum class Occasion { TimeIsOver, IsLeftover };

  Occasion occasion{};
  bool is_first = true;  ///< the occasion was not told yet
  std::string signal;    ///< "SIGTERM"
  std::string ignored;   ///< the signal that they would have got, had they not ignored it; or ""
  std::string outlived;  ///< the signal that was sent before, without effect; or ""
  std::vector<NamedProcess> processes;
  Duration timeout{};  ///< TimeIsOver: --timeout
  Duration left{};     ///< until SIGKILL
};

/// The run's owner may not signal these processes of the run.
struct OutOfReach {
  std::vector<NamedProcess> processes;
  std::vector<int> gpus;  ///< the run's, which goes on for as long as they live; empty: it may end
};

using RunNews = std::variant<LivesOn, KeepsGpus, SendsSignal, OutOfReach>;

/// Makes a line for people of it, without newline.
using RunNewsText = std::function<std::string(const RunNews&)>;

}  // namespace chg
