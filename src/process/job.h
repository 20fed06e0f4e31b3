// The processes of a job: a command, its descendants, and whatever carries its reservation's id.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/process_identity.h"
#include "process/pid_mark.h"

namespace chg {

/// By what the processes of a job are known.
struct JobMarks {
  std::string reservation_id;  ///< which they have in their environment
  ProcessIdentity command;     ///< from which they descend
  /// Which was there before the command began anything, and a moment before that; if they are
  /// known.
  std::optional<ProcessIdentity> supervisor = {};
  std::optional<PidMark> before_it = {};
};

/// The live processes of the job, but for this process: the command itself, its descendants, those
/// of a session that it leads, those with the id in their environment, and their descendants.
/// Nothing else is of it that started before the command, the supervisor or the mark. The command
/// comes first, and parents before their children, so that who is signalled in this order knows why
/// its child ends.
///
/// Environments are read where nothing else tells, in a process of its own (run_isolated): those of
/// this user's processes, root's of all. One that can't be read in time, since the memory of its
/// process is locked in the kernel, or since there can be no other process, is not known to have
/// the id. Takes at most 2.2 s. REQUIRES: one thread.
std::vector<ProcessIdentity> job_members(const JobMarks& job);

/// Sends the signal to each of them. Those that are gone, or may not be signalled, are passed over.
/// Returns whether any could be reached.
bool signal_all(const std::vector<ProcessIdentity>& processes, int signal_number);

/// Ends a job: SIGINT to all of it (and SIGCONT, for what is stopped), then SIGKILL to what lives
/// after `grace`. Returns when it is gone, or when what is left can't be killed. `meanwhile` is
/// called at least every 10 s.
void end_job(const JobMarks& job, Duration grace, const std::function<void()>& meanwhile);

/// Waits until one of the processes has ended, or for `timeout`. Returns at once for one that has.
void wait_for_an_end(const std::vector<ProcessIdentity>& processes, Duration timeout);

}  // namespace chg
