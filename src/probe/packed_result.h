// The result of a reading, as bytes for a forked process. Pure.
#pragma once

#include <string>
#include <string_view>

#include "probe/probe.h"

namespace chg {

/// All of it comes back as it was, byte for byte.
std::string packed_result(const ReadResult& result);

/// Throws Error for bytes that are no packed result.
ReadResult unpacked_result(std::string_view bytes);

}  // namespace chg
