#include "render/report.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "render/json_output.h"
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

// To a millionth of an hour, less than a second: 0.30000000000000004 becomes 0.3.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

Json row_object(const ReportRow& row) {
  Json object;
  object["name"] = row.name;
  object["gpu_hours"] = rounded(row.gpu_hours);
  object["percentage"] = rounded(row.percentage);
  object["run_count"] = row.run_count;
  object["manual_count"] = row.manual_count;
  return object;
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

std::string report_json(const Report& report) {
  Json rows = Json::array();
  for (const ReportRow& row : report.rows) rows.push_back(row_object(row));
  Json object;
  object["by"] = words_for(report.by).word;
  object[words_for(report.by).rows_key] = std::move(rows);
  object["total_gpu_hours"] = rounded(report.total_gpu_hours);
  object["total_reservations"] = report.total_reservations;
  object["unique_users"] = report.unique_users;
  object["start_date"] = to_rfc3339(report.from);
  object["end_date"] = to_rfc3339(report.to);
  object["days"] = days_of(report);
  return json_text(object);
}

}  // namespace chg
