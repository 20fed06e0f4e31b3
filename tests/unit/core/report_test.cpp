// Rule 20: GPU hours.
#include "core/report.h"

#include <cstdlib>
#include <ctime>
#include <numeric>

#include <gtest/gtest.h>

#include "support/add_up.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Local days are days of this time zone while it lives.
class TimeZone {
 public:
  explicit TimeZone(const std::string& name) {
    if (const char* old = std::getenv("TZ")) old_ = old;
    ::setenv("TZ", name.c_str(), 1);
    ::tzset();
  }
  ~TimeZone() {
    if (old_) {
      ::setenv("TZ", old_->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;

 private:
  std::optional<std::string> old_;
};

WallTime utc(int year, unsigned month, unsigned day, int hour = 0) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  return WallTime(std::chrono::sys_days(date)) + hours(hour);
}

struct Used {
  std::string id = "u1";
  int gpu = 0;
  std::uint32_t uid = kAlice;
  std::string label = {};
  ReservationKind kind = ReservationKind::Run;
  int from_hour = 0;
  int to_hour = 1;
};

// A record of 2026-11-24, in hours of that day.
UsageRecord used(const Used& special) {
  return {special.id,
          special.gpu,
          account(special.uid),
          special.label,
          special.kind,
          utc(2026, 11, 24, special.from_hour),
          utc(2026, 11, 24, special.to_hour),
          EndReason::Finished};
}

Report of_the_day(const std::vector<UsageRecord>& records, ReportBy by = ReportBy::User) {
  return add_up(records, {}, utc(2026, 11, 24), utc(2026, 11, 25), by);
}

Reservation running(const std::string& id, ReservationKind kind, Gpus gpus, int from_hour,
                    std::optional<int> ends_hour = {}) {
  Reservation reservation;
  reservation.id = id;
  reservation.account = account(kAlice);
  reservation.kind = kind;
  reservation.gpus = std::move(gpus);
  reservation.started.wall = utc(2026, 11, 24, from_hour);
  if (ends_hour) reservation.ends = utc(2026, 11, 24, *ends_hour);
  return reservation;
}

class ReportInUtc : public ::testing::Test {
 private:
  TimeZone zone_{"UTC"};
};

TEST_F(ReportInUtc, SumsTheHoursOfEachGpu) {
  const Report report = of_the_day(
      {used({.id = "a", .gpu = 0, .to_hour = 3}), used({.id = "a", .gpu = 1, .to_hour = 3})});
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 6);
  EXPECT_EQ(report.total_reservations, 1);
  ASSERT_EQ(report.rows.size(), 1U);
  EXPECT_EQ(report.rows[0].name, "alice");
  EXPECT_DOUBLE_EQ(report.rows[0].gpu_hours, 6);
  EXPECT_DOUBLE_EQ(report.rows[0].percentage, 100);
  EXPECT_EQ(report.rows[0].run_count, 1);
  EXPECT_EQ(report.rows[0].manual_count, 0);
}

TEST_F(ReportInUtc, OfNothingIsEmpty) {
  const Report report = of_the_day({});
  EXPECT_TRUE(report.rows.empty());
  EXPECT_EQ(report.total_gpu_hours, 0);
  EXPECT_EQ(report.unique_users, 0);
}

TEST_F(ReportInUtc, ClipsToThePeriod) {
  const Report report = add_up({used({.from_hour = 0, .to_hour = 10})}, {}, utc(2026, 11, 24, 4),
                               utc(2026, 11, 24, 7), ReportBy::User);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 3);
}

TEST_F(ReportInUtc, LeavesOutWhatLiesOutside) {
  const std::vector<UsageRecord> outside = {used({.id = "a", .from_hour = 0, .to_hour = 3}),
                                            used({.id = "b", .from_hour = 8, .to_hour = 9})};
  const Report report = add_up(outside, {running("c", ReservationKind::Run, {0}, 10)},
                               utc(2026, 11, 24, 4), utc(2026, 11, 24, 7), ReportBy::User);
  EXPECT_EQ(report.total_reservations, 0);
  EXPECT_TRUE(report.rows.empty());
}

TEST_F(ReportInUtc, OfTwoPeriodsSumsToThatOfBoth) {
  const std::vector<UsageRecord> records = {used({.id = "a", .from_hour = 1, .to_hour = 9}),
                                            used({.id = "b", .from_hour = 3, .to_hour = 5})};
  const auto total = [&](int from, int to) {
    return add_up(records, {running("c", ReservationKind::Run, {4}, 2)}, utc(2026, 11, 24, from),
                  utc(2026, 11, 24, to), ReportBy::User)
        .total_gpu_hours;
  };
  EXPECT_DOUBLE_EQ(total(0, 4) + total(4, 12), total(0, 12));
}

TEST_F(ReportInUtc, CountsWhatStillRunsUpToNow) {
  const Report report = add_up({}, {running("r", ReservationKind::Run, {0, 1}, 10)},
                               utc(2026, 11, 24), utc(2026, 11, 24, 13), ReportBy::User);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 6);
  EXPECT_EQ(report.rows.at(0).run_count, 1);
}

TEST_F(ReportInUtc, CountsAnExpiredManualReservationUpToItsExpiry) {
  const Report report = add_up({}, {running("m", ReservationKind::Manual, {0}, 10, 12)},
                               utc(2026, 11, 24), utc(2026, 11, 24, 20), ReportBy::User);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 2);
  EXPECT_EQ(report.rows.at(0).manual_count, 1);
}

TEST_F(ReportInUtc, CountsAManualReservationThatGoesOnUpToNow) {
  const Report report = add_up({}, {running("m", ReservationKind::Manual, {0}, 10, 22)},
                               utc(2026, 11, 24), utc(2026, 11, 24, 20), ReportBy::User);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 10);
}

TEST_F(ReportInUtc, CountsARunPastItsTimeoutUpToNow) {
  const Report report = add_up({}, {running("r", ReservationKind::Run, {0}, 10, 12)},
                               utc(2026, 11, 24), utc(2026, 11, 24, 13), ReportBy::User);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 3);
}

TEST_F(ReportInUtc, CountsAPartlyReleasedReservationOnce) {
  const Report report = add_up(
      {used(
          {.id = "m", .gpu = 1, .kind = ReservationKind::Manual, .from_hour = 10, .to_hour = 11})},
      {running("m", ReservationKind::Manual, {0}, 10, 22)}, utc(2026, 11, 24),
      utc(2026, 11, 24, 12), ReportBy::User);
  EXPECT_EQ(report.total_reservations, 1);
  EXPECT_EQ(report.rows.at(0).manual_count, 1);
  EXPECT_DOUBLE_EQ(report.total_gpu_hours, 3);
}

TEST_F(ReportInUtc, CountsAReservationOfNoLength) {
  const Report report = of_the_day({used({.from_hour = 5, .to_hour = 5})});
  EXPECT_EQ(report.total_reservations, 1);
  EXPECT_EQ(report.rows.at(0).run_count, 1);
  EXPECT_EQ(report.rows.at(0).percentage, 0);
}

TEST_F(ReportInUtc, ByUserListsMostHoursFirst) {
  const Report report =
      of_the_day({used({.id = "a", .uid = kAlice, .to_hour = 1}),
                  used({.id = "b", .uid = kBob, .kind = ReservationKind::Manual, .to_hour = 3})});
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].name, "bob");
  EXPECT_DOUBLE_EQ(report.rows[0].percentage, 75);
  EXPECT_EQ(report.rows[0].manual_count, 1);
  EXPECT_EQ(report.rows[1].name, "alice");
  EXPECT_DOUBLE_EQ(report.rows[1].percentage, 25);
  EXPECT_EQ(report.unique_users, 2);
}

TEST_F(ReportInUtc, ByUserKeepsLabelsApart) {
  const Report report =
      of_the_day({used({.id = "a", .to_hour = 2}), used({.id = "b", .label = "ann"})});
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].name, "alice");
  EXPECT_EQ(report.rows[1].name, "ann (alice)");
  EXPECT_EQ(report.unique_users, 2);
}

TEST_F(ReportInUtc, ByGpuNamesTheGpus) {
  const Report report =
      of_the_day({used({.id = "a", .gpu = 3, .to_hour = 2}), used({.id = "a", .gpu = 10}),
                  used({.id = "b", .gpu = 3, .uid = kBob, .from_hour = 2, .to_hour = 4})},
                 ReportBy::Gpu);
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].name, "GPU 3");
  EXPECT_DOUBLE_EQ(report.rows[0].gpu_hours, 4);
  EXPECT_EQ(report.rows[0].run_count, 2);
  EXPECT_EQ(report.rows[1].name, "GPU 10");
  EXPECT_EQ(report.total_reservations, 2);
}

TEST_F(ReportInUtc, ByDaySplitsAtMidnightInOrder) {
  const Report report = add_up({used({.from_hour = 22, .to_hour = 24 + 24 + 1})}, {},
                               utc(2026, 11, 20), utc(2026, 11, 30), ReportBy::Day);
  ASSERT_EQ(report.rows.size(), 3U);
  EXPECT_EQ(report.rows[0].name, "2026-11-24");
  EXPECT_DOUBLE_EQ(report.rows[0].gpu_hours, 2);
  EXPECT_EQ(report.rows[1].name, "2026-11-25");
  EXPECT_DOUBLE_EQ(report.rows[1].gpu_hours, 24);
  EXPECT_EQ(report.rows[2].name, "2026-11-26");
  EXPECT_DOUBLE_EQ(report.rows[2].gpu_hours, 1);
  EXPECT_EQ(report.total_reservations, 1);
}

TEST_F(ReportInUtc, ByDayKnowsNoDayOnWhichNothingWasUsed) {
  const Report report = of_the_day({used({.from_hour = 22, .to_hour = 24})}, ReportBy::Day);
  ASSERT_EQ(report.rows.size(), 1U);
  EXPECT_EQ(report.rows[0].name, "2026-11-24");
}

TEST_F(ReportInUtc, AgreesWhicheverWayItIsSummed) {
  std::vector<UsageRecord> records;
  for (int i = 0; i < 200; ++i) {
    records.push_back(used({.id = "r" + std::to_string(i / 2),
                            .gpu = i % 5,
                            .uid = kAlice + static_cast<std::uint32_t>(i % 3),
                            .kind = i % 4 < 2 ? ReservationKind::Run : ReservationKind::Manual,
                            .from_hour = i % 60,
                            .to_hour = i % 60 + i % 11}));
  }
  const std::vector<Reservation> still = {running("m", ReservationKind::Manual, {0, 1}, 3, 30),
                                          running("r", ReservationKind::Run, {2}, 20)};
  std::vector<Report> reports;
  for (const ReportBy by : {ReportBy::User, ReportBy::Gpu, ReportBy::Day}) {
    reports.push_back(add_up(records, still, utc(2026, 11, 24, 5), utc(2026, 11, 25, 19), by));
  }
  for (const Report& one : reports) {
    EXPECT_NEAR(one.total_gpu_hours, reports[0].total_gpu_hours, 1e-9);
    EXPECT_EQ(one.total_reservations, reports[0].total_reservations);
    EXPECT_EQ(one.unique_users, reports[0].unique_users);
    double sum = 0;
    double percentages = 0;
    for (const ReportRow& row : one.rows) {
      sum += row.gpu_hours;
      percentages += row.percentage;
    }
    EXPECT_NEAR(sum, one.total_gpu_hours, 1e-9);
    EXPECT_NEAR(percentages, 100, 1e-9);
  }
}

// Days are the host's local days, of 23 and 25 hours where its clocks change.

TEST(ReportByDay, GoesByLocalDays) {
  const TimeZone zone("Ahead-3");
  const Report report = of_the_day({used({.from_hour = 20, .to_hour = 22})}, ReportBy::Day);
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_DOUBLE_EQ(report.rows[0].gpu_hours, 1);
  EXPECT_EQ(report.rows[1].name, "2026-11-25");
}

TEST(ReportByDay, KnowsDaysOf23And25Hours) {
  const TimeZone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  const UsageRecord all_year{"y",
                             0,
                             account(kAlice),
                             "",
                             ReservationKind::Run,
                             utc(2026, 1, 1),
                             utc(2027, 1, 1),
                             EndReason::Finished};
  const Report report = add_up({all_year}, {}, utc(2026, 1, 1), utc(2027, 1, 1), ReportBy::Day);
  const auto hours_of = [&](const std::string& day) {
    for (const ReportRow& row : report.rows) {
      if (row.name == day) return row.gpu_hours;
    }
    return -1.0;
  };
  EXPECT_DOUBLE_EQ(hours_of("2026-03-29"), 23);
  EXPECT_DOUBLE_EQ(hours_of("2026-10-25"), 25);
  EXPECT_DOUBLE_EQ(hours_of("2026-06-15"), 24);
  EXPECT_NEAR(report.total_gpu_hours, 365 * 24, 1e-6);
}

// There are zones whose clocks change at midnight: that day has no 00:00.
TEST(ReportByDay, CopesWithADayWithoutMidnight) {
  const TimeZone zone("STD3DST2,M11.1.0/0,M2.3.0/0");
  const UsageRecord week{"w",
                         0,
                         account(kAlice),
                         "",
                         ReservationKind::Run,
                         utc(2026, 10, 29, 12),
                         utc(2026, 11, 4, 12),
                         EndReason::Finished};
  const Report report = add_up({week}, {}, utc(2026, 10, 1), utc(2026, 12, 1), ReportBy::Day);
  EXPECT_NEAR(report.total_gpu_hours, 6 * 24, 1e-9);
  ASSERT_EQ(report.rows.size(), 7U);
  EXPECT_EQ(report.rows[3].name, "2026-11-01");
  EXPECT_NEAR(report.rows[3].gpu_hours, 23, 1e-9);
}

TEST(ReportByDay, CopesWithADayThatHasMidnightTwice) {
  const TimeZone zone("STD3DST2,M11.1.0/0,M2.3.0/0");
  const UsageRecord week{"w",
                         0,
                         account(kAlice),
                         "",
                         ReservationKind::Run,
                         utc(2026, 2, 12, 12),
                         utc(2026, 2, 17, 12),
                         EndReason::Finished};
  const Report report = add_up({week}, {}, utc(2026, 2, 1), utc(2026, 3, 1), ReportBy::Day);
  EXPECT_NEAR(report.total_gpu_hours, 5 * 24, 1e-9);
  ASSERT_EQ(report.rows.size(), 6U);
  EXPECT_EQ(report.rows[2].name, "2026-02-14");
  EXPECT_NEAR(report.rows[2].gpu_hours, 25, 1e-9);
}

}  // namespace
}  // namespace chg
