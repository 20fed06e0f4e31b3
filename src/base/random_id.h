#pragma once

#include <string>

namespace chg {

/// Eight random letters and digits (40 bits), none of which is taken for another: no i, l, o, u.
/// Throws Error when the kernel has no random bytes.
std::string random_id();

}  // namespace chg
