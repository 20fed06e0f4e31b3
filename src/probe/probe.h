// Looks at the GPUs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/observation.h"

namespace chg {

class Probe {
 public:
  virtual ~Probe() = default;

  /// Reads every GPU. What can't be read of one GPU is missing in its reading, or named in its
  /// `error`, and does not hide the others. Throws Error when nothing can be read at all (no tool,
  /// no driver, timeout passed): callers must then treat every GPU as unknown. Never takes much
  /// longer than the timeout it was made with. What /proc tells of the processes need not be
  /// filled in (SharedProbe does that).
  virtual Observation look() = 0;

  /// The processes that the last look listed, in its order, with what /proc tells of them: as many
  /// of the first as it asked about while it was there. For their starts, too.
  virtual std::vector<GpuProcess> facts() const { return {}; }
};

}  // namespace chg
