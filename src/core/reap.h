// What is over, and what was seen: the facts that every change begins with. Rules 8-16.
#pragma once

#include "core/circumstances.h"
#include "core/pool.h"

namespace chg {

/// Ends the reservations that are over: expired manual ones, and those whose holder is gone while
/// no process of the job is left on their GPUs. Only an observation shows such processes: without
/// one, a run whose command and supervisor are gone goes on.
void reap(Pool& pool, const Circumstances& given);

/// Whether only an observation can show that this run is over: its command is gone, and it has no
/// working supervisor that looks for leftovers.
bool awaits_observation(const Reservation& run, const Circumstances& given);

/// Drops every waiter that is gone, the cancelled ones as well. `schedule` drops only the gone
/// waiters that it would serve; this function is for callers that show the queue.
void drop_gone_waiters(Pool& pool, const Circumstances& given);

/// Whether a holder or waiter is over: gone, or invisible from here and silent for too long.
bool is_gone(const ProcessIdentity& process, const Instant& last_heartbeat,
             const Circumstances& given);

/// Compares the observation with the pool: sets and clears `unavailable` of the GPUs without a
/// reservation. A GPU that was released after the observation began keeps what was known of it.
void observe(Pool& pool, const Observation& observation, const Settings& settings);

/// The same for one GPU, which nobody has reserved.
void observe(Gpu& gpu, const Observation& observation, const Settings& settings);

/// What every change of the pool begins with: reap, and observe where somebody has looked.
void bring_up_to_date(Pool& pool, const Circumstances& given);

/// Whether the process belongs to the reservation's job: its environment carries the id; or it
/// carries none, and the process is, or descends from, the command or a recorded leftover. Pids are
/// those of `observer`'s namespace.
bool is_of_job(const GpuProcess& process, const Reservation& reservation,
               const ProcessIdentity& observer);

/// The processes of the reservation's job on its GPUs. Where an environment can't be read, all
/// processes of its account count.
std::vector<GpuProcess> job_processes(const Reservation& reservation, const Pool& pool,
                                      const Observation& observation, const Settings& settings);

/// Whether the observation shows each of these GPUs, as it was after its last release.
bool covers(const Observation& observation, const Pool& pool, const std::vector<int>& gpus);

/// The live processes that decide when this reservation ends: while any of them lives, it goes on.
/// Empty when only its expiry or its heartbeat decides.
std::vector<ProcessIdentity> deciding_processes(const Reservation& reservation,
                                                const LivenessOf& liveness);

}  // namespace chg
