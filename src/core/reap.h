// What is over, and what was seen: the facts that every change begins with. Rules 8-16.
#pragma once

#include <optional>
#include <vector>

#include "core/circumstances.h"
#include "core/pool.h"

namespace chg {

/// Ends expired manual reservations, those whose `reserve` was gone before it claimed them, and
/// runs that are over; nothing where `given.can_judge` is false. A run of an earlier boot, one
/// whose command never began, and one that is invisible from here and silent for too long end at
/// once. A run whose supervisor does not work any more ends only on an observation that shows no
/// process of its job on its GPUs.
void reap(Pool& pool, const Circumstances& given);

/// Whether only an observation can show that this run is over: its command is gone, and it has a
/// supervisor, which does not work any more.
bool awaits_observation(const Reservation& run, const Policy& policy, const Circumstances& given);

/// Drops every waiter that is gone, the cancelled ones as well. `schedule` drops only the gone
/// waiters that it would serve; this function is for callers that show the queue.
void drop_gone_waiters(Pool& pool, const Circumstances& given);

/// How long ago that was by the boot clock, which all processes of the host share, whatever boot
/// ids and wall clocks they believe in. Duration::max() where that clock has begun anew since.
Duration time_since(const Instant& moment, const Instant& now);

/// How long until a manual reservation expires (rule 13); not above zero when it has. nullopt where
/// it has no expiry.
std::optional<Duration> time_to_expiry(const Reservation& manual, const Instant& now);

/// Whether a holder or waiter is over: gone, or invisible from here and silent for too long. One of
/// another boot is gone if the boot clock has begun anew since its last heartbeat, and else it is
/// invisible.
bool is_gone(const ProcessIdentity& process, const Instant& last_heartbeat, const Policy& policy,
             const Circumstances& given);

/// Updates Gpu::unavailable of the GPUs without a reservation, and clears it on the others. An
/// observation that began before a GPU's last release does not change that GPU, nor does a partial
/// one that lacks it.
void observe(Pool& pool, const Observation& observation);

/// The same for one GPU. REQUIRES: nobody has reserved it.
void observe(Gpu& gpu, const Observation& observation, const Policy& policy);

/// A grant waits as long for a waiter that is stopped to take it, and as long for one that seems to
/// live or can't be seen: that one may have to read the GPUs and to wait for the store first.
inline constexpr Duration kStoppedPatience = std::chrono::seconds(10);
inline constexpr Duration kTakePatience = std::chrono::minutes(1);

/// Puts the requests whose grants nobody takes back into their places in the queue, passed over.
/// Their GPUs go to the next. No usage is recorded.
void pass_on_untaken(Pool& pool, const Circumstances& given);

/// How long until the grant may have to be passed on; nullopt once it is taken.
std::optional<Duration> time_to_pass_on(const Reservation& reservation, const Instant& now);

/// What every change of the pool begins with: reap, pass on what nobody takes, and observe where
/// there is an observation.
void bring_up_to_date(Pool& pool, const Circumstances& given);

/// Whether the process belongs to the reservation's job. If its environment carries the id of a
/// reservation, that decides (names_job), but for this one's id in a process of another account:
/// anybody may put it there. Else the process belongs to the job if it has its mark and is of its
/// account or root's, or if it is the command or a recorded leftover, or descends from one. Pids
/// are those of `observer`'s namespace.
bool is_of_job(const GpuProcess& process, const Reservation& reservation,
               const ProcessIdentity& observer);

/// The processes of the reservation's job on its GPUs. Where an environment can't be read, all
/// processes of its account count.
std::vector<GpuProcess> job_processes(const Reservation& reservation, const Pool& pool,
                                      const Observation& observation);

/// What members of a job use of its GPUs.
struct JobUse {
  std::vector<ProcessIdentity> processes;
  std::vector<int> gpus;  ///< that they use, ascending; empty where that can't be told
};

/// Which of the job's live processes use its GPUs, whatever their environments say: what the
/// command has left there. All of them where that can't be told: a GPU can't be read, or nobody
/// says whose process is there. `own` is the run as its supervisor knows it; in the pool it may
/// have more GPUs by now.
JobUse use_by_members(const std::vector<ProcessIdentity>& members, const Reservation& own,
                      const Pool& pool, const Observation& observation);

/// How much is left of the grace, so long after the end of the command; none where leftovers are
/// not kept.
Duration grace_left(Leftovers leftovers, Duration since_end, Duration grace);

/// The leftovers that keep the run's GPUs: all live processes of the job while time of the grace is
/// left, and then those that use the GPUs.
std::vector<ProcessIdentity> keeping_leftovers(const std::vector<ProcessIdentity>& members,
                                               const JobUse& use, Duration left);

/// Whether the observation has a reading of each of these GPUs, and began after its last release.
bool covers(const Observation& observation, const Pool& pool, const std::vector<int>& gpus);

/// The live processes that decide when this reservation ends: while any of them lives, it goes on.
/// Empty when only its expiry or its heartbeat decides.
std::vector<ProcessIdentity> deciding_processes(const Reservation& reservation,
                                                const LivenessOf& liveness);

}  // namespace chg
