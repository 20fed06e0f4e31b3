// The result of a reading, as text for the parent of a forked process. Pure.
#pragma once

#include <string>
#include <string_view>

#include "probe/probe.h"

namespace chg {

/// One line of JSON. All of it comes back as it was.
std::string result_text(const ReadResult& result);

/// Throws Error for any other text.
ReadResult parse_result(std::string_view text);

}  // namespace chg
