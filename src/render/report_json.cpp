#include <cmath>

#include "render/json_output.h"
#include "render/report.h"

namespace chg {
namespace {

const char* word_of(ReportBy by) {
  switch (by) {
    case ReportBy::User:
      return "user";
    case ReportBy::Gpu:
      return "gpu";
    case ReportBy::Day:
      return "day";
  }
  return "";
}

// "days" is the length of the period, so the rows of days are dates.
const char* rows_key(ReportBy by) {
  switch (by) {
    case ReportBy::User:
      return "users";
    case ReportBy::Gpu:
      return "gpus";
    case ReportBy::Day:
      return "dates";
  }
  return "";
}

// To a millionth, finer than a second of use: 0.1 + 0.2 need not look like 0.30000000000000004.
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
  object["by"] = word_of(report.by);
  object[rows_key(report.by)] = std::move(rows);
  object["total_gpu_hours"] = rounded(report.total_gpu_hours);
  object["total_reservations"] = report.total_reservations;
  object["unique_users"] = report.unique_users;
  object["start_date"] = to_rfc3339(report.from);
  object["end_date"] = to_rfc3339(report.to);
  object["days"] = days_of(report);
  return json_text(object);
}

}  // namespace chg
