// GPU hours, for people and for programs.
#pragma once

#include <string>

#include "core/report.h"
#include "render/style.h"

namespace chg {

/// The period, one row for each user, GPU or day, and a line of totals.
std::string report_text(const Report& report, const Style& style);

/// The object that docs/schema/report.schema.json describes.
std::string report_json(const Report& report);

/// The whole days of the period, to the nearest: a change of daylight saving time takes none away.
int days_of(const Report& report);

}  // namespace chg
