#include <cmath>

#include "render/json_output.h"
#include "render/report.h"

namespace chg {
namespace {

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
