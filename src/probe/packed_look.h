// What a look came to, as bytes for a forked process. Pure.
#pragma once

#include <string>
#include <string_view>

#include "probe/look_result.h"

namespace chg {

/// All of it comes back as it was, byte for byte.
std::string packed_look(const LookResult& result);

/// Throws Error for bytes that are no packed look.
LookResult unpacked_look(std::string_view bytes);

}  // namespace chg
