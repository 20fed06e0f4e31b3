// What canhazgpu on another host has answered, read into the rows that this host's views are made
// of. The answer is JSON of a machine that may be of another version, broken or malicious: anything
// else than the expected form is refused, what is missing is left out, and every text is made
// printable.
#pragma once

#include <string>
#include <vector>

#include "render/queue.h"
#include "render/report.h"
#include "render/status_rows.h"
#include "render/summary.h"

namespace chg {

/// The answer to `status --json`, `queue --json`, `report --json`. All of these throw Error(Failed)
/// for anything else, and for JSON that is nested or filled as none of ours ever is.
std::vector<GpuRow> read_remote_status(const std::string& answer);
std::vector<QueueRow> read_remote_queue(const std::string& answer);
ReportTable read_remote_report(const std::string& answer);

/// The answer to `status --summary --json`. An older version answers with all its GPUs, which are
/// counted then; how many requests wait is unknown.
Summary read_remote_summary(const std::string& answer);

/// The same answers, checked as above, as JSON in our own layout, which is harmless to print.
std::string remote_status_json(const std::string& answer);
std::string remote_queue_json(const std::string& answer);
std::string remote_report_json(const std::string& answer);

}  // namespace chg
