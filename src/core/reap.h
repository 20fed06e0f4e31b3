// What is over, and what was seen: the facts that every change begins with. Rules 8-16.
#pragma once

#include "core/circumstances.h"
#include "core/pool.h"

namespace chg {

/// Ends the reservations that are over: expired manual ones, and those whose holder is gone while
/// nothing of the job is left on their GPUs. What is left needs an observation to be known: without
/// one, a run whose command is gone and whose supervisor can't say goes on.
void reap(Pool& pool, const Circumstances& given);

/// Whether only an observation can tell that this run is over: its command is gone, and there is no
/// supervisor that looks at what is left of the job.
bool awaits_observation(const Reservation& run, const Circumstances& given);

/// Drops every waiter that is gone, the cancelled ones as well. `schedule` drops those that it
/// comes by; this one is for those who want to see the queue as it is.
void drop_gone_waiters(Pool& pool, const Circumstances& given);

/// Whether a holder or waiter is over: gone, or not to be seen from here and silent for too long.
bool is_gone(const ProcessIdentity& process, const Instant& last_heartbeat,
             const Circumstances& given);

/// Holds the observation against the pool: sets and clears the obstacles of GPUs without
/// reservation. A GPU released after the observation began keeps what was known of it.
void observe(Pool& pool, const Observation& observation, const Settings& settings);

/// The same for one GPU, which nobody has reserved.
void observe(Gpu& gpu, const Observation& observation, const Settings& settings);

/// What every change of the pool begins with: reap, and observe where somebody has looked.
void bring_up_to_date(Pool& pool, const Circumstances& given);

/// Whether the process is of the reservation's job, as far as can be told: it carries the id, or
/// carries none and is, or descends from, the command or what the command left. `observer` is whose
/// pids the process's ancestors are.
bool is_of_job(const GpuProcess& process, const Reservation& reservation,
               const ProcessIdentity& observer);

/// The processes of the reservation's job that hold its GPUs in this observation: those of the job,
/// and where the environment can't be read, all of its account.
std::vector<GpuProcess> job_processes(const Reservation& reservation, const Pool& pool,
                                      const Observation& observation, const Settings& settings);

/// Whether a grant may be trusted: the observation shows each of the GPUs after its last release.
bool covers(const Observation& observation, const Pool& pool, const std::vector<int>& gpus);

/// The processes that decide when this reservation ends: while any of them lives, it goes on.
/// Empty when only its expiry or a heartbeat tells.
std::vector<ProcessIdentity> deciding_processes(const Reservation& reservation,
                                                const LivenessOf& liveness);

}  // namespace chg
