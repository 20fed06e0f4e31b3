// Pools to measure with: as large as one wishes, and the same each time.
#pragma once

#include <string>
#include <vector>

#include "core/observation.h"
#include "core/pool.h"

namespace chg::bench {

/// A moment of the made-up host; `seconds` after its beginning.
Instant at(int seconds);

/// A process that `alive` knows to be alive.
ProcessIdentity process(int pid);
Liveness alive(const ProcessIdentity& process);

/// Somebody waits for `count` GPUs.
Request waiting(int number, int count);

/// A pool of `gpus`, all reserved by runs of one GPU each but for the last `free` ones, with
/// `waiters` in its queue. They ask for one to eight GPUs each; the first for more than are free.
Pool pool(int gpus, int free, int waiters);

/// What a look at all its GPUs shows: each in use by the job that has it.
Observation observation(const Pool& pool);

/// Usage records of runs, `per_day` of them each day up to `until`, of 20 people on 8 GPUs.
std::vector<UsageRecord> history(int count, int per_day, WallTime until);

}  // namespace chg::bench
