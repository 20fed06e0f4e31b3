// Who has which GPU, in three forms.
#pragma once

#include <string>
#include <vector>

#include "render/status_rows.h"
#include "render/style.h"

namespace chg {

/// One line for each GPU. The wording is fixed; scripts read it. Never cut to a width.
std::string status_lines(const std::vector<GpuRow>& rows, const Style& style);

/// One line for each GPU below a line of titles, within style.columns.
std::string status_table(const std::vector<GpuRow>& rows, const Style& style);

/// The array that docs/schema/status.schema.json describes.
std::string status_json(const Overview& overview);

}  // namespace chg
