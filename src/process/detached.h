// A helper process that belongs to nobody: the supervisor of a run.
#pragma once

#include <functional>
#include <string>

namespace chg {

/// Remembers where the program's arguments and environment lie, so that a detached process can show
/// a title of its own in their place. Call it once, first thing in main.
void remember_arguments(int argc, char** argv);

/// The kernel's name for a detached process.
inline constexpr char kSupervisorName[] = "canhazgpu-super";

/// What is done around a detached process, besides its own work.
struct DetachedHooks {
  /// In the detached process, first of all: closes what it shares with this one, which goes on with
  /// it.
  std::function<void()> disown = [] {};
  /// In this process, with the pid of the detached one, while that gets ready. What it throws is
  /// thrown on; the detached process is then the caller's to end.
  std::function<void(int pid)> meanwhile = [](int) {};
};

/// Starts a process in a session of its own, without terminal, open files or parent (it is
/// double-forked, so that this process never sees an unknown child), which runs `body` and ends. It
/// has this process's environment, but does not show it in /proc: it is no part of any job.
/// `body` calls `ready` when it has done what has to be done first; until then this function waits.
/// What `body` throws before that is thrown here, of the same kind.
/// REQUIRES: one thread.
void start_detached(const std::string& title,
                    const std::function<void(const std::function<void()>& ready)>& body,
                    const DetachedHooks& hooks = {});

}  // namespace chg
