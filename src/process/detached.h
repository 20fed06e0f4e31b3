// A helper process that belongs to nobody: the supervisor of a run.
#pragma once

#include <functional>
#include <string>

namespace chg {

/// Remembers where the program's arguments and environment lie, so that a detached process can show
/// a title of its own in their place. Call it once, first thing in main.
void remember_arguments(int argc, char** argv);

/// Starts a process in a session of its own, without terminal, open files or parent (it is
/// double-forked, so that this process never sees an unknown child), which runs `body` and ends. It
/// has this process's environment, but does not show it in /proc: it is no part of any job.
/// `body` calls `ready` when it has done what has to be done first; until then this function waits.
/// What `body` throws before that is thrown here, of the same kind.
/// REQUIRES: one thread, and no open store or pidfd that both would use.
void start_detached(const std::string& title,
                    const std::function<void(const std::function<void()>& ready)>& body);

}  // namespace chg
