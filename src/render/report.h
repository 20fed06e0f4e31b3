// GPU hours, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "core/report.h"
#include "render/style.h"

namespace chg {

/// What a report by users, GPUs or days is called.
struct ReportWords {
  ReportBy by;
  const char* word;      ///< as people choose it: "user"
  const char* rows_key;  ///< of its rows in JSON, where "days" is the length of the period
  const char* title;     ///< of the column
};
/// In the order of ReportBy.
inline constexpr ReportWords kReportWords[] = {{ReportBy::User, "user", "users", "USER"},
                                               {ReportBy::Gpu, "gpu", "gpus", "GPU"},
                                               {ReportBy::Day, "day", "dates", "DAY"}};
constexpr const ReportWords& words_for(ReportBy by) {
  return kReportWords[static_cast<std::size_t>(by)];
}

/// What a report shows, told by this host or by another's JSON (render/remote.h).
struct ReportTable {
  std::string period;  ///< "from 13:00 on 17 Nov to 13:00 on 24 Nov (7 days)", "of 7 days"
  ReportBy by = ReportBy::User;
  std::vector<ReportRow> rows;  ///< their names are raw
  double total_gpu_hours = 0;
  int total_reservations = 0;
  int unique_users = 0;
};

ReportTable report_table(const Report& report);

/// The period, one line for each row below a line of titles, and a line of totals.
std::string report_text(const ReportTable& table, const Style& style);

/// The object that docs/schema/report.schema.json describes.
std::string report_json(const Report& report);

/// The whole days of the period, rounded: a change of daylight saving time takes none away.
int days_of(const Report& report);

}  // namespace chg
