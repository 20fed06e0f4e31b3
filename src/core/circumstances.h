// What a decision on the pool depends on besides the pool.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "core/observation.h"
#include "core/process_identity.h"

namespace chg {

/// Tells what is known of a process. It is asked while the pool is locked, so it must answer at
/// once.
using LivenessOf = std::function<Liveness(const ProcessIdentity&)>;

struct Circumstances {
  Instant now;
  LivenessOf liveness;
  const Observation* observation = nullptr;  ///< nullptr where nobody has looked at the GPUs
  /// The serial of every grant that is made now: a random number, another one in each update.
  std::uint64_t serial = 0;
  /// False where it can't be told who lives (rule 11): then nothing is over.
  bool can_judge = true;
};

}  // namespace chg
