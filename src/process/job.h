// The processes of a job: a command, its descendants, and whatever carries its reservation's id.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/process_identity.h"

namespace chg {

/// The environment variable by which a process belongs to a reservation, wherever it has wandered.
inline constexpr char kReservationVariable[] = "CANHAZGPU_RESERVATION";

/// The live processes of the job, but for this process: the command itself, its descendants, those
/// of a session that it leads, and those with the id in their environment (as far as this user may
/// read it). Processes that started before the command are none of it. The command comes first, and
/// parents before their children, so that who is signalled in this order knows why its child ends.
std::vector<ProcessIdentity> job_members(const std::string& reservation_id,
                                         const ProcessIdentity& command);

/// Sends the signal to each of them. Those that are gone, or may not be signalled, are passed over.
/// Returns whether any could be reached.
bool signal_all(const std::vector<ProcessIdentity>& processes, int signal_number);

/// Ends a job: SIGINT to all of it (and SIGCONT, for what is stopped), then SIGKILL to what lives
/// after `grace`. Returns when it is gone, or when what is left can't be killed. `meanwhile` is
/// called at least every 10 s.
void end_job(const std::string& reservation_id, const ProcessIdentity& command, Duration grace,
             const std::function<void()>& meanwhile);

/// Waits until one of the processes has ended, or for `timeout`. Returns at once for one that has.
void wait_for_an_end(const std::vector<ProcessIdentity>& processes, Duration timeout);

}  // namespace chg
