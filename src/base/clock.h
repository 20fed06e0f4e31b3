// Time as a value. Nothing below `app` asks the system for the time; it is a parameter.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace chg {

using Duration = std::chrono::nanoseconds;

/// A point on the wall clock, UTC. People speak of it, and it may step.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Time since boot, sleep included (CLOCK_BOOTTIME). Never steps, and means nothing after a reboot.
using BootTime = std::chrono::nanoseconds;

/// The clock of this process's own waits. What it shows means nothing to other processes.
using SteadyClock = std::chrono::steady_clock;

/// One moment on both clocks. `boot_id` names the boot that `boot` counts from; it is empty for a
/// moment that is known by the wall clock alone.
struct Instant {
  WallTime wall{};
  BootTime boot{};
  std::string boot_id;

  bool operator==(const Instant&) const = default;
};

/// How long ago `then` was, seen at `now`: by the boot clock where both moments belong to one boot,
/// else by the wall clock. Never negative.
Duration age(const Instant& then, const Instant& now);

/// Whether `a` is earlier than `b`: by the boot clock within one boot, else by the wall clock.
bool is_before(const Instant& a, const Instant& b);

/// Whether the two are known to belong to different boots. Then the wall clock need not tell which
/// was earlier: it may have been set back in between. Whoever compares knows which one is of the
/// running boot, and so the later.
bool are_of_different_boots(const Instant& a, const Instant& b);

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

/// The clocks of this host: `boot` is the host's in every time namespace. The boot id is read once,
/// when first needed.
class SystemClock final : public Clock {
 public:
  Instant now() const override;
};

/// The id of the running kernel's boot (/proc/sys/kernel/random/boot_id).
const std::string& boot_id();

/// The inode of the time namespace of this process: in it, /proc counts the starts of processes
/// from another moment. 0 in the first one, which has the host's clocks.
std::uint64_t own_time_namespace();

/// A wall-clock time as RFC 3339 in UTC, with whole seconds: "2026-11-24T13:24:28Z".
std::string to_rfc3339(WallTime time);

/// A calendar day of this host's time zone.
struct CalendarDay {
  std::string date;  ///< "2026-11-24"
  WallTime end;      ///< the first moment of the next one: 23, 24 or 25 hours after its own
};

/// The day of a wall-clock time in this host's time zone.
CalendarDay local_day(WallTime time);

/// A wall-clock time as people of this host say it: "14:20" on the day of `now`, else "2026-11-25
/// 14:20".
std::string to_local_text(WallTime time, WallTime now);

}  // namespace chg
