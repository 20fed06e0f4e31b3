// Who has which GPU: one view, four forms.
#pragma once

#include <string>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// One line for each GPU. The wording is fixed; scripts read it. Never cut to a width.
std::string status_lines(const Overview& overview, const Style& style);

/// One row for each GPU, within style.columns.
std::string status_table(const Overview& overview, const Style& style);

/// One line for the host: "8 GPUs (8x NVIDIA H100 80GB HBM3): 5 available, 2 in use, 1 in use
/// without reservation, 0 in error; 3 waiting". "(1 held)", "(1 also used without reservation)" and
/// "1 out of service" are said only where they apply, "[not validated]" where there are no
/// readings.
std::string status_summary(const Overview& overview);

/// The array that docs/schema/status.schema.json describes.
std::string status_json(const Overview& overview);

}  // namespace chg
