// The findings of `doctor`, for people and for bug reports.
#pragma once

#include <string>
#include <vector>

#include "render/style.h"
#include "view/finding.h"

namespace chg {

/// A line for each finding, "ok    store  …", with the advice on a line of its own below.
std::string findings_text(const std::vector<Finding>& findings, const Style& style);

}  // namespace chg
