// Readings as short texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace chg {

/// The number, or "?" where it is missing.
inline std::string said(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "?";
}

inline std::string said(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "?";
}

}  // namespace chg
