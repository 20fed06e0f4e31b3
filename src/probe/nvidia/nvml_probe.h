// Reads NVIDIA GPUs by asking the driver's library.
#pragma once

#include <string>

#include "base/clock.h"
#include "probe/probe.h"

namespace chg {

class NvmlProbe {
 public:
  /// `clock` must outlive the probe. `library` is loaded afresh for each reading, as dlopen finds
  /// it.
  explicit NvmlProbe(const Clock& clock, std::string library = "libnvidia-ml.so.1");

  /// Asks for the GPUs, and for the processes of those that have memory in use or don't tell. Where
  /// these can't be listed the GPU has an `error`: it can't be told from a free one.
  ///
  /// There is no timeout: the library may hang in the kernel, crash, or print. Let an
  /// IsolatedProbe call it.
  ReadResult try_read() const;

 private:
  const Clock& clock_;
  std::string library_;
};

}  // namespace chg
