// Tells by pid alone which processes may have started since a moment; reads nothing of them.
#pragma once

#include <cstdint>
#include <optional>

namespace chg {

/// A point in time: the kernel's fork counter and the last pid allocated in this pid namespace.
struct PidMark {
  std::uint64_t begun = 0;  ///< processes and threads since boot
  int last_pid = 0;
};

/// Now. nullopt where the kernel doesn't tell (CONFIG_CHECKPOINT_RESTORE is off, or /proc belongs
/// to another pid namespace).
std::optional<PidMark> mark_pids();

/// A pid P such that every process started between the marks has a pid above P; nullopt if pids may
/// have wrapped.
std::optional<int> last_pid_before(const PidMark& mark, const PidMark& now);

}  // namespace chg
