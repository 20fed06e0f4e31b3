// What an examination of the host has found.
#pragma once

#include <string>

namespace chg {

/// One thing that was looked at.
struct Finding {
  enum class Health {
    Good,
    Notice,  ///< works, but somebody may wonder
    Bad,     ///< keeps people from their GPUs
  };

  Health health = Health::Good;
  std::string subject;  ///< "store"
  std::string text;     ///< what was found, in words; may hold text from outside
  std::string advice;   ///< what to do about it; "" when nothing

  bool operator==(const Finding&) const = default;
};

}  // namespace chg
