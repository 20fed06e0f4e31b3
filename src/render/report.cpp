#include "render/report.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "render/outside_text.h"
#include "render/table.h"
#include "render/words.h"

namespace chg {
namespace {

Row cells_of(const ReportRow& row) {
  return {shown_display_name(row.name), fmt::format("{:.2f}", row.gpu_hours),
          fmt::format("{:.1f}%", row.percentage), fmt::to_string(row.run_count),
          fmt::to_string(row.manual_count)};
}

}  // namespace

int days_of(const Report& report) {
  const std::chrono::duration<double, std::ratio<86400>> days = report.to - report.from;
  return static_cast<int>(std::lround(days.count()));
}

ReportTable report_table(const Report& report) {
  // Each end is formatted relative to the other, so that both name their day.
  const std::string period =
      fmt::format("from {} to {} ({})", to_local_text(report.from, report.to),
                  to_local_text(report.to, report.from), count_of(days_of(report), "day"));
  return {period,
          report.by,
          report.rows,
          report.total_gpu_hours,
          report.total_reservations,
          report.unique_users};
}

std::string report_text(const ReportTable& table, const Style& style) {
  const std::string period = fmt::format("GPU hours {}\n", table.period);
  if (table.rows.empty()) return period + "nobody used a GPU\n";
  std::vector<Row> cells;
  for (const ReportRow& row : table.rows) cells.push_back(cells_of(row));
  return period +
         table_text({{.title = words_for(table.by).title, .gives_way = 1},
                     {.title = "GPU HOURS", .is_number = true},
                     {.title = "SHARE", .gives_way = 2, .is_whole = true, .is_number = true},
                     {.title = "RUNS", .gives_way = 3, .is_whole = true, .is_number = true},
                     {.title = "MANUAL", .gives_way = 4, .is_whole = true, .is_number = true}},
                    std::move(cells), style) +
         fmt::format("total: {:.2f} GPU hours, {}, {}\n", table.total_gpu_hours,
                     count_of(table.total_reservations, "reservation"),
                     count_of(table.unique_users, "user"));
}

}  // namespace chg
