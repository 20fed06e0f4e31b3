#include "render/report.h"

#include "base/text.h"
#include "unit/render/samples.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using namespace samples;

class ReportText : public InUtc {};

Report sample(ReportBy by = ReportBy::User) {
  return {in(-hms(7 * 24, 0, 0)),
          noon().wall,
          by,
          {{"alice", 120.5, 75.3125, 12, 3}, {"dora (bob)", 0.1 + 0.2, 0.1875, 0, 1}},
          160,
          16,
          2};
}

TEST_F(ReportText, ShowsPeriodRowsAndTotals) {
  EXPECT_EQ(report_text(report_table(sample()), {}),
            "GPU hours from 2026-11-17 13:00 to 2026-11-24 13:00 (7 days)\n"
            "USER        GPU HOURS  SHARE  RUNS  MANUAL\n"
            "alice          120.50  75.3%    12       3\n"
            "dora (bob)       0.30   0.2%     0       1\n"
            "total: 160.00 GPU hours, 16 reservations, 2 users\n");
}

TEST_F(ReportText, NamesWhatARowIs) {
  EXPECT_NE(report_text(report_table(sample(ReportBy::Gpu)), {}).find("\nGPU  "),
            std::string::npos);
  EXPECT_NE(report_text(report_table(sample(ReportBy::Day)), {}).find("\nDAY  "),
            std::string::npos);
}

TEST_F(ReportText, SaysThatNobodyUsedAGpu) {
  const Report empty{in(-hms(24, 0, 0)), noon().wall, ReportBy::User, {}, 0, 0, 0};
  EXPECT_EQ(report_text(report_table(empty), {}),
            "GPU hours from 2026-11-23 13:00 to 2026-11-24 13:00 (1 day)\nnobody used a GPU\n");
}

TEST_F(ReportText, CountsDaysAcrossAChangeOfTheClock) {
  Report report = sample();
  report.from = in(-hms(30 * 24 + 1, 0, 0));
  EXPECT_EQ(days_of(report), 30);
  report.from = in(-hms(30 * 24 - 1, 0, 0));
  EXPECT_EQ(days_of(report), 30);
}

TEST_F(ReportText, FitsWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    Report report = sample();
    report.rows[0].name = text;
    for (std::size_t columns = 40; columns <= 200; columns += 4) {
      // The first line and the last are sentences, and are left to the terminal.
      const auto lines = lines_of(report_text(report_table(report), {.columns = columns}));
      ASSERT_EQ(lines.size(), 5U);
      for (std::size_t i = 1; i < 4; ++i) ASSERT_LE(display_width(lines[i]), columns) << lines[i];
      for (const std::string& line : lines) ASSERT_FALSE(has_control(line)) << line;
    }
    expect_documented(report_json(report), "report");
  }
}

TEST_F(ReportText, AsJsonHasTheKeysOfTheContract) {
  EXPECT_EQ(json::parse(report_json(sample())), json({{"by", "user"},
                                                      {"users",
                                                       {{{"name", "alice"},
                                                         {"gpu_hours", 120.5},
                                                         {"percentage", 75.3125},
                                                         {"run_count", 12},
                                                         {"manual_count", 3}},
                                                        {{"name", "dora (bob)"},
                                                         {"gpu_hours", 0.3},
                                                         {"percentage", 0.1875},
                                                         {"run_count", 0},
                                                         {"manual_count", 1}}}},
                                                      {"total_gpu_hours", 160.0},
                                                      {"total_reservations", 16},
                                                      {"unique_users", 2},
                                                      {"start_date", "2026-11-17T13:00:00Z"},
                                                      {"end_date", "2026-11-24T13:00:00Z"},
                                                      {"days", 7}}));
}

TEST_F(ReportText, AsJsonNamesItsRowsForWhatTheyAre) {
  for (const auto& [by, key] :
       {std::pair(ReportBy::User, "users"), std::pair(ReportBy::Gpu, "gpus"),
        std::pair(ReportBy::Day, "dates")}) {
    const json report = json::parse(report_json(sample(by)));
    for (const char* other : {"users", "gpus", "dates"}) {
      EXPECT_EQ(report.contains(other), std::string(other) == key) << key << " " << other;
    }
    expect_documented(report_json(sample(by)), "report");
  }
}

}  // namespace
}  // namespace chg
