// Looks at the GPUs.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "core/observation.h"

namespace chg {

class Probe {
 public:
  virtual ~Probe() = default;

  /// Reads every GPU. What can't be read of one GPU is missing in its reading, or named in its
  /// `error`, and does not hide the others. Throws Error when nothing can be read at all (no tool,
  /// no driver, deadline passed): callers must then treat every GPU as unknown. Never takes much
  /// longer than the deadline it was made with. What /proc tells of the processes need not be
  /// filled in (SharedProbe does that).
  virtual Observation look() = 0;
};

}  // namespace chg
