// An observation as text, to be kept in a file. Pure.
//
// The text is one line of JSON, by the lists of core/fields.h. Everything comes back as it was.
#pragma once

#include <string>
#include <string_view>

#include "core/observation.h"

namespace chg {

std::string observation_text(const Observation& observation);

/// Throws Error for a text of another format, and for one that is damaged: the text may come from
/// anybody. Times are within 146 years of their epochs and memory is at most 2^44 MiB, so that sums
/// and differences can be calculated with. The lists of GPUs and processes must be there: a list
/// that is lost must not read as one that is empty.
Observation parse_observation(std::string_view text);

}  // namespace chg
