#pragma once

#include <cstdint>
#include <string>

namespace chg {

/// The lowest 40 bits as eight letters and digits, none of which is taken for another: no i, l, o,
/// u.
std::string readable_id(std::uint64_t bits);

/// A random number below 2^53, which every reader of JSON takes as it is.
/// Throws Error when the kernel has no random bytes.
std::uint64_t random_number();

/// A readable_id of random bits.
/// Throws Error when the kernel has no random bytes.
std::string random_id();

}  // namespace chg
