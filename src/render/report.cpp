#include "render/report.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "render/outside_text.h"
#include "render/tables.h"
#include "render/words.h"

namespace chg {
namespace {

const char* title_of(ReportBy by) {
  switch (by) {
    case ReportBy::User:
      return "USER";
    case ReportBy::Gpu:
      return "GPU";
    case ReportBy::Day:
      return "DAY";
  }
  return "";
}

std::string table_of(const Report& report, const Style& style) {
  std::vector<Row> rows;
  for (const ReportRow& row : report.rows) rows.push_back(report_row(row));
  return table_text(report_columns(report.by), std::move(rows), style);
}

}  // namespace

std::vector<Column> report_columns(ReportBy by) {
  return {{.title = title_of(by), .gives_way = 1},
          {.title = "GPU HOURS", .is_number = true},
          {.title = "SHARE", .gives_way = 2, .is_whole = true, .is_number = true},
          {.title = "RUNS", .gives_way = 3, .is_whole = true, .is_number = true},
          {.title = "MANUAL", .gives_way = 4, .is_whole = true, .is_number = true}};
}

Row report_row(const ReportRow& row) {
  return {shown_display_name(row.name), fmt::format("{:.2f}", row.gpu_hours),
          fmt::format("{:.1f}%", row.percentage), fmt::format("{}", row.run_count),
          fmt::format("{}", row.manual_count)};
}

std::string report_total(const Report& report) {
  return fmt::format("total: {:.2f} GPU hours, {}, {}\n", report.total_gpu_hours,
                     counted(report.total_reservations, "reservation"),
                     counted(report.unique_users, "user"));
}

int days_of(const Report& report) {
  const std::chrono::duration<double, std::ratio<86400>> days = report.to - report.from;
  return static_cast<int>(std::lround(days.count()));
}

std::string report_text(const Report& report, const Style& style) {
  // Each end is told as seen from the other, so that both name their day.
  const std::string period =
      fmt::format("GPU hours from {} to {} ({})\n", to_local_text(report.from, report.to),
                  to_local_text(report.to, report.from), counted(days_of(report), "day"));
  if (report.rows.empty()) return period + "nobody used a GPU\n";
  return period + table_of(report, style) + report_total(report);
}

}  // namespace chg
