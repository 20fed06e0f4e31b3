// What happens in a simulated history, as plain values: a list of them is a history that can be
// told again, shortened, and printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/policy.h"
#include "core/pool.h"
#include "sim/machine.h"

namespace chg::sim {

enum class What : std::uint8_t {
  Arrive,      ///< client `number` starts and looks at the GPUs; inside the job of client `who`
  Step,        ///< client `who` does the next thing that it has to do; `choice` where it has one
  Supervise,   ///< the supervisor of client `who` does the next thing
  Interrupt,   ///< SIGINT to the waiting client `who`
  Spawn,       ///< the job of client `who` starts process 2 * `number` on its GPUs
  Intrude,     ///< `uid` starts process 2 * `number` on `gpus`, whoever has them
  Kill,        ///< process `who` ends, however
  KillJob,     ///< all processes of client `who` end; `choice` 1: its supervisor too
  Stop,        ///< SIGSTOP to process `who`
  Continue,    ///< SIGCONT to process `who`
  Break,       ///< `gpus` show the fault `choice`
  Mend,        ///< `gpus` are healthy again
  BreakProbe,  ///< every look fails
  MendProbe,
  Reboot,     ///< all processes end; the wall clock goes on after `by_ms`, which may be negative
  StepClock,  ///< somebody sets the wall clock by `by_ms`
  Drain,      ///< `gpus` go out of service
  Undrain,
  Cancel,     ///< `uid` cancels the request of client `who`
  Release,    ///< `uid` gives back `gpus`, or all that is his
  Extend,     ///< `uid` extends what is on `gpus`, or all that is his, by `by_ms`
  SetPolicy,  ///< root sets the policy `choice`
  Clear,      ///< `admin --force`
  Save,       ///< the store saves its state
  Lose,       ///< the store comes back with what it saved (`choice` 1), or empty and is set up anew
  Report,     ///< somebody asks for the report of the last `by_ms`
  Settle,     ///< everybody ends, everything is mended, time passes, and somebody looks
};

/// What may be said of an event beside its numbers.
struct Flags {
  bool force = false;
  bool nonblock = false;
  bool views = false;      ///< Arrive: only looks at the status
  bool labelled = false;   ///< has the label "x"
  bool admin = false;      ///< root asks
  bool runs = false;       ///< release --kill
  bool uses_gpus = false;  ///< the command itself uses its GPUs
  bool hides_environment = false;
  bool hides_memory = false;
  bool hides_owner = false;  ///< /proc shows nothing of it
  bool is_ignored = false;   ///< a program under `ignore_processes`
  bool inside = false;       ///< Arrive: in the job of client `who`, as its environment says
  bool mine = false;         ///< Arrive: run --mine
};

struct Event {
  What what = What::Step;
  std::int64_t after_ms = 0;  ///< how much later than the one before
  int who = 0;
  int number = 0;  ///< of the client or process that is born; never used twice
  std::uint32_t uid = 0;
  int choice = 0;
  Place place;  ///< of who acts
  int count = 1;
  ReservationKind kind = ReservationKind::Run;
  Leftovers leftovers = Leftovers::Keep;
  std::int64_t by_ms = 0;  ///< a duration; 0: none
  std::int64_t memory_mib = 0;
  std::vector<int> gpus;
  Flags flags;
};

/// The policy that a choice stands for; 0: the usual one.
Policy policy_of(int choice);

/// One line, without the end of line.
std::string to_text(const Event& event);

/// What a history begins with.
struct Setup {
  int gpus = 1;
  AllocationPolicy policy = AllocationPolicy::LeastRecentlyUsed;
};

std::string to_text(const Setup& setup);

}  // namespace chg::sim
