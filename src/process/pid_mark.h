// Which processes may have begun since a moment, told by their pids: nothing of them is read.
#pragma once

#include <cstdint>
#include <optional>

namespace chg {

/// A moment, by how many processes and threads the host had begun, and where the row of its pids
/// stood.
struct PidMark {
  std::uint64_t begun = 0;  ///< since boot
  int last_pid = 0;         ///< that was given, in this pid namespace
};

/// Now. Missing where the kernel doesn't tell (CONFIG_CHECKPOINT_RESTORE is off, or /proc is not
/// its own).
std::optional<PidMark> mark_pids();

/// A pid such that all that began between the two moments have greater ones. Missing where that
/// can't be told: so many began that pids may have been given for the second time.
std::optional<int> last_pid_before(const PidMark& mark, const PidMark& now);

}  // namespace chg
