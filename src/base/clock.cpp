#include "base/clock.h"

#include <algorithm>
#include <cerrno>

#include <fmt/chrono.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file_text.h"
#include "base/number.h"
#include "base/text.h"

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

std::uint64_t read_time_namespace() {
  // The inode of the one that the kernel begins with (PROC_TIME_INIT_INO in proc_ns.h of Linux). A
  // kernel without this file has no other.
  constexpr std::uint64_t kFirstTimeNamespace = 0xEFFFFFFA;
  struct stat file {};
  const bool is_known = stat("/proc/self/ns/time", &file) == 0;
  return is_known && file.st_ino != kFirstTimeNamespace ? file.st_ino : 0;
}

// How far the clock of the boot is ahead of the host's, by the line "boottime  SECONDS
// NANOSECONDS".
Duration boot_offset() {
  if (own_time_namespace() == 0) return Duration::zero();
  const std::string file = read_file("/proc/self/timens_offsets").value_or("");
  std::string_view rest = file;
  while (!rest.empty()) {
    std::string_view numbers = cut(rest, '\n');
    if (cut(numbers, ' ') != "boottime") continue;
    numbers = trimmed(numbers);
    const auto seconds = parse<std::int64_t>(cut(numbers, ' '));
    const auto nanoseconds = parse<std::int64_t>(trimmed(numbers));
    if (seconds && nanoseconds) {
      return std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*nanoseconds);
    }
  }
  throw Error(ErrorKind::Failed, "cannot read '/proc/self/timens_offsets'",
              "in a time namespace, only this file tells the host's time");
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

std::uint64_t own_time_namespace() {
  static const std::uint64_t inode = read_time_namespace();
  return inode;
}

Instant SystemClock::now() const {
  static const Duration offset = boot_offset();
  return {WallTime(read_clock(CLOCK_REALTIME)), read_clock(CLOCK_BOOTTIME) - offset, boot_id()};
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
