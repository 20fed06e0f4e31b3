#include "base/clock.h"

#include <algorithm>
#include <cerrno>

#include <fmt/chrono.h>

#include "base/error.h"
#include "base/file_text.h"

namespace chg {
namespace {

std::chrono::nanoseconds read_clock(clockid_t id) {
  timespec value{};
  if (clock_gettime(id, &value) != 0) throw_errno("cannot read the clock");
  return std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec);
}

std::string read_boot_id() {
  const auto id = read_file("/proc/sys/kernel/random/boot_id");
  if (!id && errno != ENOENT) throw_errno("cannot read '/proc/sys/kernel/random/boot_id'");
  if (!id || id->empty()) {
    throw Error(ErrorKind::Failed, "cannot read '/proc/sys/kernel/random/boot_id'",
                "is /proc mounted here?");
  }
  return id->substr(0, id->find('\n'));
}

// The fields of a wall-clock time in this host's time zone.
std::tm local_time(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm fields{};
  localtime_r(&seconds, &fields);
  return fields;
}

}  // namespace

Duration age(const Instant& then, const Instant& now) {
  const bool same_boot = !then.boot_id.empty() && then.boot_id == now.boot_id;
  const Duration difference = same_boot ? now.boot - then.boot : Duration(now.wall - then.wall);
  return std::max(difference, Duration::zero());
}

bool is_before(const Instant& a, const Instant& b) {
  const bool same_boot = !a.boot_id.empty() && a.boot_id == b.boot_id;
  return same_boot ? a.boot < b.boot : a.wall < b.wall;
}

bool are_of_different_boots(const Instant& a, const Instant& b) {
  return !a.boot_id.empty() && !b.boot_id.empty() && a.boot_id != b.boot_id;
}

CalendarDay local_day(WallTime time) {
  std::tm day = local_time(time);
  std::string date = fmt::format("{:%Y-%m-%d}", day);
  day.tm_mday += 1;
  day.tm_hour = day.tm_min = day.tm_sec = 0;
  day.tm_isdst = -1;
  return {std::move(date), WallTime(std::chrono::seconds(std::mktime(&day)))};
}

const std::string& boot_id() {
  static const std::string id = read_boot_id();
  return id;
}

Instant SystemClock::now() const {
  return {WallTime(read_clock(CLOCK_REALTIME)), read_clock(CLOCK_BOOTTIME), boot_id()};
}

std::string to_rfc3339(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                     fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time)));
}

std::string to_local_text(WallTime time, WallTime now) {
  const std::tm then = local_time(time);
  const std::tm today = local_time(now);
  const bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
  return same_day ? fmt::format("{:%H:%M}", then) : fmt::format("{:%Y-%m-%d %H:%M}", then);
}

}  // namespace chg
