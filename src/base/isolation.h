// Runs something in a process of its own: it may crash, hang, print, or get stuck in the kernel,
// and none of that may reach the program.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace chg {

/// Shared memory in which an isolated process leaves its results for the parent.
class Notes {
 public:
  static constexpr std::size_t kBytesMax = 16U << 20;

  /// Throws Error when there is no memory.
  Notes();

  /// Appends `bytes`; returns false, and appends nothing, when there is no room. The parent finds
  /// them even if the process ends in the next moment.
  bool add(std::string_view bytes);

  /// How much was added so far, and what.
  std::size_t size() const;
  std::string text() const;

 private:
  struct Unmapper {
    void operator()(void* memory) const;
  };

  std::unique_ptr<void, Unmapper> memory_;
};

/// Why the work was not done.
struct IsolatedFailure {
  enum class Reason {
    NotStarted,  ///< there could be no other process
    Crashed,     ///< it ended by itself, before the end of its work
    Late,        ///< its time is over
  };

  Reason reason{};
  Error error;  ///< "NVML did not answer within 10s", without a hint
};

struct IsolatedEnd {
  std::string notes;                       ///< all notes, however it ended
  std::optional<IsolatedFailure> failure;  ///< nullopt when the work was done
};

struct IsolatedTime {
  Duration timeout{};  ///< how long the work may take
  /// How long the child may be blocked (not runnable) without adding a note, counted from its first
  /// note.
  Duration patience = Duration::max();
  /// What it prints as errors goes to this descriptor, above the standard ones; -1: nowhere.
  int its_stderr = -1;
};

/// Does `work` in another process: nothing of what it changes is seen here, but for the notes.
/// `name` says in messages what it is: "NVML". When its time is over the process is killed. One
/// that cannot be killed, since it is stuck in the kernel, is left to init: until this process ends
/// it remains a child that only waits with __WCLONE or __WALL can reap, and it sends no SIGCHLD.
/// Never takes more than 0.2 s longer than the timeout.
///
/// The process has a session of its own, the default action for every signal, no descriptor of this
/// process (locks included) but `its_stderr`, and nothing else to read from or print to. It ends by
/// itself soon after the timeout should nobody be left to kill it. REQUIRES: one thread.
IsolatedEnd run_isolated(const std::string& name, const std::function<void(Notes&)>& work,
                         const IsolatedTime& time);

/// For how long an item of bounded_map may hang.
inline constexpr std::chrono::milliseconds kItemPatience(250);

/// A list to work through, of which any item may hang.
struct IsolatedList {
  std::size_t size = 0;
  /// In the other process: does the items from `begin` on, in order, and notes each of them before
  /// it begins.
  std::function<void(std::size_t begin, Notes& notes)> work;
  /// In this process: takes the notes of `work(begin, …)`, however that ended. Returns the place
  /// behind the last item that was begun.
  std::function<std::size_t(std::size_t begin, const std::string& notes)> take;
};

/// Works through the list by run_isolated. An item that hangs is given up; the rest continues in a
/// new process. Patience starts at kItemPatience and halves per hang, down to 50 ms: eight that
/// hang take 0.7 s, and hide no other. Items that are not done within the timeout, or for which
/// there can be no process, are left out. Never takes more than 0.2 s longer than the timeout; for
/// an empty list, no time. REQUIRES: one thread.
void bounded_map(const std::string& name, const IsolatedList& list, Duration timeout);

}  // namespace chg
