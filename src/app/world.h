// How the use cases get at the world. main fills it: it alone names the implementations.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "probe/probe.h"
#include "store/store.h"

namespace chg {

/// Which probe is wanted.
struct ProbeChoice {
  std::string name;  ///< "nvidia-smi" or "fake"
  Duration deadline{};
  std::string fake_file;  ///< the simulated GPUs of "fake"
};

struct World {
  const Clock& clock;
  std::function<std::unique_ptr<Store>(const std::string& path)> open_store;
  std::function<std::unique_ptr<Store>(const std::string& path, const std::optional<Sharing>&)>
      create_store;
  std::function<std::unique_ptr<Probe>(const ProbeChoice&)> make_probe;
  /// Whether this program is found in the PATH.
  std::function<bool(const std::string& name)> has_program;
  /// Makes a file of simulated GPUs; one that is there is kept.
  std::function<void(const std::string& file, int count)> create_fake_gpus;
};

}  // namespace chg
