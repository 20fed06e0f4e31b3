// What canhazgpu on another host has printed as JSON, shown as if it were this host's. It comes
// from a machine that may be of another version, broken or malicious: it is held to its form,
// whatever is missing is left out, and every text is made printable.
#pragma once

#include <string>

#include "render/json_text.h"
#include "render/style.h"
#include "render/summary.h"

namespace chg {

/// `text` as the JSON of `status`, `queue` or `report`. Throws Error(Failed) for anything else, and
/// for JSON that is nested or filled as none of ours ever is.
Json read_remote_status(const std::string& text);
Json read_remote_queue(const std::string& text);
Json read_remote_report(const std::string& text);

/// The answer to `status --summary --json`. An older version answers with all its GPUs, which are
/// counted then; how many wait is unknown.
Summary read_remote_summary(const std::string& text);

std::string remote_status_lines(const Json& gpus, const Style& style);
std::string remote_status_table(const Json& gpus, const Style& style);
std::string remote_queue_text(const Json& queue, const Style& style);
std::string remote_report_text(const Json& report, const Style& style);

}  // namespace chg
