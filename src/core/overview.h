// The pool compared with an observation: one value, which lines, table and JSON show.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/circumstances.h"
#include "core/pool.h"
#include "core/schedule.h"

namespace chg {

enum class GpuStatus {
  Available,
  InUse,
  Unreserved,
  Error,
  OutOfService,
  NotReserved,  ///< and nobody can tell now whether it is in use
};

struct GpuOverview {
  Gpu gpu;
  GpuStatus status = GpuStatus::Available;
  /// Whether whoever looks would get it now; see tell_available.
  bool available = false;
  std::optional<Reservation> reservation;
  std::vector<Reservation> inner;     ///< those inside of that one here, each inside the one before
  std::optional<GpuReading> reading;  ///< missing when the probe failed or does not know it
  std::vector<GpuProcess> users;      ///< counted processes; empty when not in use
  std::vector<GpuProcess> foreign;    ///< those of other accounts than the reservation's
  std::vector<GpuProcess> leftovers;  ///< those of a run whose command has ended
  bool in_use = false;                ///< is_in_use(reading)
  bool unlisted_use = false;   ///< memory that no listed process holds is beyond the threshold
  bool command_ended = false;  ///< a run that goes on for its leftovers
  std::string held_for;        ///< display name of the waiter; "" when not held
  int held_position = 0;
  std::vector<Reservation> lost_by;  ///< runs that go on here, though another has the GPU by now
  std::string error;                 ///< why it is in Error
  /// How old the reading is, where it is the last good one from before the probe began to fail.
  std::optional<Duration> stale_for = {};
};

struct Overview {
  Instant now;
  std::vector<GpuOverview> gpus;
  std::string probe_failure;  ///< why there are no readings of now; "" when there are
  std::vector<Decision> waiting;
  std::optional<Instant> observed =
      {};  ///< when the readings were taken; missing when there are none
  /// The host, where it is another than this one: its GPUs were not looked at.
  std::string elsewhere = {};
};

/// When the probe failed, for the reason `probe_failure`, the observation is the last good one, or
/// nullptr.
Overview overview(const Pool& pool, const Circumstances& given,
                  const std::string& probe_failure = {});

/// Fills in GpuOverview::available, for one GPU that `asker` would ask for now: it is read, free by
/// the pool's policy and the asker's own stricter thresholds, in service, held for nobody, and
/// within the limit of the asker's account.
/// `observation` is of now, and decides; `pool` is what the overview was made of.
void tell_available(Overview& overview, const Pool& pool, const Observation& observation,
                    const Request& asker);

/// One waiting request and what was decided of it.
struct QueueEntry {
  Request request;
  Decision decision;
};

struct QueueOverview {
  Instant now;
  std::vector<QueueEntry> entries;  ///< in order of arrival
  std::string elsewhere = {};       ///< as in Overview
};

QueueOverview queue_overview(const Pool& pool, const Instant& now);

}  // namespace chg
