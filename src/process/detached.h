// A helper process that belongs to nobody: the supervisor of a run.
#pragma once

#include <functional>
#include <string>

#include "base/unique_fd.h"

namespace chg {

/// Remembers where the program's arguments and environment lie, so that a detached process can show
/// a title of its own in their place. Call it once, first thing in main.
void remember_arguments(int argc, char** argv);

/// The kernel's name for a detached process.
inline constexpr char kSupervisorName[] = "canhazgpu-super";

struct DetachedHooks {
  /// Called in the detached process first: closes what this process shares with it and goes on
  /// using.
  std::function<void()> disown = [] {};
  /// Called in this process, with the pid of the detached one, while that gets ready. What it
  /// throws is thrown on; the caller then ends the detached process.
  std::function<void(int pid)> meanwhile = [](int) {};
  /// Called in the detached process, with a copy of this process's stderr to keep; empty: it keeps
  /// none.
  std::function<void(UniqueFd)> take_stderr = {};
};

/// Starts a process in a session of its own, without terminal, open files or parent (it is
/// double-forked, so that this process never sees an unknown child), which runs `body` and ends. It
/// has this process's environment, but does not show it in /proc: it belongs to no job. Returns
/// when `body` has called `ready`. What `body` throws before that is thrown here, with the same
/// kind and hint. REQUIRES: one thread.
void start_detached(const std::string& title,
                    const std::function<void(const std::function<void()>& ready)>& body,
                    const DetachedHooks& hooks = {});

}  // namespace chg
