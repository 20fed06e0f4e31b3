#include "base/clock.h"

#include <ctime>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <stdlib.h>

namespace chg {
namespace {

using namespace std::chrono_literals;
using namespace std::chrono;

constexpr WallTime kNoon = sys_days(2026y / November / 25d) + 12h;

// Sets the time zone of the process, and puts the old one back.
class ScopedZone {
 public:
  explicit ScopedZone(const char* zone) {
    if (const char* before = getenv("TZ")) before_ = before;
    setenv("TZ", zone, 1);
    tzset();
  }
  ScopedZone(const ScopedZone&) = delete;
  ScopedZone& operator=(const ScopedZone&) = delete;
  ~ScopedZone() {
    if (before_) {
      setenv("TZ", before_->c_str(), 1);
    } else {
      unsetenv("TZ");
    }
    tzset();
  }

 private:
  std::optional<std::string> before_;
};

TEST(Age, GoesByTheBootClockWithinABoot) {
  const Instant then{kNoon, 100s, "boot-a"};
  const Instant now_after_a_step_back{kNoon - 1h, 160s, "boot-a"};
  EXPECT_EQ(age(then, now_after_a_step_back), 60s);
}

TEST(Age, GoesByTheWallClockAcrossBoots) {
  const Instant then{kNoon, 9000s, "boot-a"};
  const Instant now{kNoon + 5min, 10s, "boot-b"};
  EXPECT_EQ(age(then, now), 5min);
}

TEST(Age, GoesByTheWallClockWhereTheBootIsUnknown) {
  EXPECT_EQ(age({kNoon, 0s, ""}, {kNoon + 5min, 10s, "boot-a"}), 5min);
  EXPECT_EQ(age({kNoon, 0s, ""}, {kNoon + 5min, 10s, ""}), 5min);
  EXPECT_EQ(age({kNoon, 0s, "boot-a"}, {kNoon + 5min, 10s, ""}), 5min);
}

TEST(Age, IsNeverNegative) {
  EXPECT_EQ(age({kNoon, 100s, "boot-a"}, {kNoon + 1h, 90s, "boot-a"}), 0s);
  EXPECT_EQ(age({kNoon, 0s, ""}, {kNoon - 1h, 0s, ""}), 0s);
}

TEST(Age, OfNowIsZero) {
  const Instant now{kNoon, 100s, "boot-a"};
  EXPECT_EQ(age(now, now), 0s);
}

TEST(SystemClock, TellsBothClocksAndTheBoot) {
  const auto before = system_clock::now();
  const Instant now = SystemClock().now();
  const auto after = system_clock::now();
  EXPECT_GE(now.wall, time_point_cast<nanoseconds>(before));
  EXPECT_LE(now.wall, time_point_cast<nanoseconds>(after));
  EXPECT_GT(now.boot, 0s);
  EXPECT_EQ(now.boot_id, boot_id());
}

TEST(SystemClock, GoesForward) {
  const SystemClock clock;
  const Instant first = clock.now();
  const Instant second = clock.now();
  EXPECT_GE(second.boot, first.boot);
}

TEST(BootId, IsTheKernels) {
  std::string line;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::getline(file, line);
  EXPECT_EQ(boot_id(), line);
  EXPECT_EQ(boot_id().size(), 36U);
}

TEST(ToRfc3339, IsUtcInWholeSeconds) {
  const ScopedZone zone("EST5");
  EXPECT_EQ(to_rfc3339(sys_days(2026y / November / 24d) + 13h + 24min + 28s),
            "2026-11-24T13:24:28Z");
  EXPECT_EQ(to_rfc3339(kNoon + 999'999'999ns), "2026-11-25T12:00:00Z");
}

TEST(ToRfc3339, CountsDownBeforeTheEpoch) {
  EXPECT_EQ(to_rfc3339(WallTime(-1ns)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(to_rfc3339(WallTime(0ns)), "1970-01-01T00:00:00Z");
}

TEST(ToLocalText, IsATimeOnTheSameDay) {
  const ScopedZone zone("UTC");
  EXPECT_EQ(to_local_text(kNoon + 2h + 20min, kNoon), "14:20");
  EXPECT_EQ(to_local_text(kNoon - 12h, kNoon), "00:00");
}

TEST(ToLocalText, NamesTheDateOfAnotherDay) {
  const ScopedZone zone("UTC");
  EXPECT_EQ(to_local_text(kNoon + 12h, kNoon), "2026-11-26 00:00");
  EXPECT_EQ(to_local_text(kNoon - 12h - 1s, kNoon), "2026-11-24 23:59");
}

TEST(ToLocalText, NamesTheDateOfTheSameDayInAnotherYear) {
  const ScopedZone zone("UTC");
  EXPECT_EQ(to_local_text(sys_days(2027y / November / 25d) + 12h, kNoon), "2027-11-25 12:00");
}

TEST(ToLocalText, GoesByTheDayOfThisPlace) {
  // POSIX text instead of a place's name: it needs no time zone files. Nine hours east.
  const ScopedZone zone("JST-9");
  EXPECT_EQ(to_local_text(kNoon, kNoon), "21:00");
  EXPECT_EQ(to_local_text(kNoon + 3h, kNoon), "2026-11-26 00:00");
}

TEST(IsBefore, GoesByTheBootClockWithinOneBoot) {
  const Instant early{WallTime(hours(9)), hours(1), "boot"};
  const Instant late{WallTime(hours(8)), hours(2), "boot"};
  EXPECT_TRUE(is_before(early, late));
  EXPECT_FALSE(is_before(late, early));
  EXPECT_FALSE(is_before(early, early));
}

TEST(IsBefore, GoesByTheWallClockBetweenBootsAndWhereTheBootIsUnknown) {
  const Instant before{WallTime(hours(8)), hours(100), "boot"};
  const Instant after{WallTime(hours(9)), hours(1), "next"};
  EXPECT_TRUE(is_before(before, after));
  EXPECT_FALSE(is_before(after, before));
  const Instant unknown{WallTime(hours(8)), hours(100), ""};
  const Instant unknown_later{WallTime(hours(9)), hours(1), ""};
  EXPECT_TRUE(is_before(unknown, unknown_later));
}

TEST(AreOfDifferentBoots, OnlyWhereBothBootsAreKnown) {
  const Instant before{WallTime(hours(8)), hours(100), "boot"};
  const Instant later{WallTime(hours(9)), hours(101), "boot"};
  const Instant after{WallTime(hours(8)), hours(1), "next"};
  const Instant unknown{WallTime(hours(8)), {}, ""};
  EXPECT_TRUE(are_of_different_boots(before, after));
  EXPECT_TRUE(are_of_different_boots(after, before));
  EXPECT_FALSE(are_of_different_boots(before, later));
  EXPECT_FALSE(are_of_different_boots(before, unknown));
  EXPECT_FALSE(are_of_different_boots(unknown, after));
  EXPECT_FALSE(are_of_different_boots(unknown, unknown));
}

}  // namespace
}  // namespace chg
