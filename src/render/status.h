// Who has which GPU: one view, five forms.
#pragma once

#include <string>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// One line for each GPU. The wording is fixed; scripts read it. Never cut to a width.
std::string status_lines(const Overview& overview, const Style& style);

/// One row for each GPU, within style.columns.
std::string status_table(const Overview& overview, const Style& style);

/// One line for the host, as summary_line in render/summary.h says it.
std::string status_summary(const Overview& overview);

/// The same as the object that docs/schema/summary.schema.json describes.
std::string summary_json(const Overview& overview);

/// The array that docs/schema/status.schema.json describes.
std::string status_json(const Overview& overview);

}  // namespace chg
