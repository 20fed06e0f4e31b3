// The processes of a job: a command, its descendants, and whatever carries its reservation's id.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/process_identity.h"
#include "process/pid_mark.h"

namespace chg {

/// What identifies the processes of a job.
struct JobMarks {
  std::string reservation_id;  ///< they have it in their environment, or one made inside it
  ProcessIdentity command;     ///< they descend from it
  /// The supervisor, which started before the command did anything, and a mark from before that; if
  /// known.
  std::optional<ProcessIdentity> supervisor = {};
  std::optional<PidMark> before_it = {};
  std::uint32_t uid = 0;  ///< whose job it is, as this user namespace counts
  /// The command is what a store says, and others may write there: it has to prove that it is of
  /// the job. False for who remembers it.
  bool is_hearsay = false;
};

/// What a supervisor shows as its command line. It vouches for the command by it: nobody else can
/// make processes of its account. `server`: where its store is, without password; "": a file.
std::string supervisor_title(const std::string& reservation_id, const std::string& program,
                             const std::string& server, int command_pid);

/// The ids of the runs whose supervisors live here, as far as they can be seen, and say that their
/// store is there. Takes at most 2.2 s. REQUIRES: one thread.
std::vector<std::string> supervised_runs(const std::string& server);

/// Gives this process, and so all that it starts from now on, the mark of the job of this
/// reservation (job_mark). It outlives what an environment, a session and a first thread do not:
/// exec, setsid, env -i, sudo. Best effort.
void mark_as_job(const std::string& reservation_id);

/// The live processes of the job, but for this process: the command itself, its descendants, those
/// of a session that it leads, those of its account and root's with its mark (mark_as_job), those
/// of its account with the id in their environment, and the descendants of all these. Processes
/// older than the command, the supervisor or the mark are never members. The command comes first,
/// and parents before their children: a parent that is signalled first knows why its child ends.
///
/// A command by hearsay counts only if it is a process of the account with the id in its
/// environment, or if a supervisor of the account vouches for it.
///
/// Environments are read only as a last resort, in an isolated process (run_isolated): those of
/// this user's processes, for root those of all. A process whose environment cannot be read in time
/// counts as one without the id: its memory is locked in the kernel, or no process could be
/// started. Takes at most 2.2 s. REQUIRES: one thread.
std::vector<ProcessIdentity> job_members(const JobMarks& job);

/// Whose rights signals are sent with: those of this process, or, for root, of this account.
using RightsOf = std::optional<std::uint32_t>;

/// Sends the signal to each process, but for those that are gone or may not be signalled. Returns
/// whether any was signalled. REQUIRES: one thread, if with the rights of another account.
bool signal_all(const std::vector<ProcessIdentity>& processes, int signal_number,
                const RightsOf& rights = {});

/// The members, and those of `known` that are still running: descendants whose parents are gone may
/// be out of sight, but not forgotten.
std::vector<ProcessIdentity> members_with(const std::vector<ProcessIdentity>& known,
                                          const JobMarks& job);

/// Waits until one of the processes has ended, at most for `timeout`.
void wait_for_an_end(const std::vector<ProcessIdentity>& processes, Duration timeout);

/// Waits until all of them have ended, at most for `timeout`.
void wait_for_all_ends(const std::vector<ProcessIdentity>& processes, Duration timeout);

}  // namespace chg
