// The columns of the tables that more than one kind of host fills: this one, and those that tell
// their rows as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"
#include "core/report.h"
#include "render/table.h"

namespace chg {

std::vector<Column> status_columns();
std::vector<Column> queue_columns();
std::vector<Column> report_columns(ReportBy by);

/// "UNRESERVED" for the four words of a line: a cell has less room.
std::string short_status(GpuStatus status);

/// What a GPU tool tells beside memory and processes.
struct Readings {
  std::optional<int> utilization_percent;
  std::optional<int> temperature_c;
  std::optional<int> power_w;
  int parts = 0;
};

/// "45MB used, 30%, 41C, 120W": the brackets of a line without the word before, and readings.
std::string short_validation(const std::string& validation, const Readings& readings);

/// "any 2", "GPUs 1 and 3": what a request asks for.
std::string wanted_gpus(int count, const std::vector<int>& gpu_ids);

/// The cells of numbers in a report.
Row report_row(const ReportRow& row);

/// "total: 12.00 GPU hours, 3 reservations, 2 users", with a newline.
std::string report_total(const Report& report);

}  // namespace chg
