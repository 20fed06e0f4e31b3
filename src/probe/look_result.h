// What a look came to, for those who can do something else where it failed.
#pragma once

#include <utility>
#include <variant>

#include "base/error.h"
#include "core/observation.h"

namespace chg {

/// Why nothing could be read at all.
struct LookFailure {
  enum class Reason {
    LibraryMissing,   ///< the vendor's library is not installed
    LibraryUnusable,  ///< it can't be loaded, or lacks what is needed
    LibraryMismatch,  ///< it is of another version than the driver in the kernel
    DriverNotLoaded,  ///< the kernel has no driver
    Crashed,          ///< the process that looked ended without an answer
    Late,             ///< the timeout passed
    Other,
  };

  Reason reason = Reason::Other;
  Error error;  ///< for people
};

using LookResult = std::variant<Observation, LookFailure>;

/// The observation. Throws the Error of a failure.
inline Observation observation_or_throw(LookResult result) {
  if (const auto* failure = std::get_if<LookFailure>(&result)) throw failure->error;
  return std::get<Observation>(std::move(result));
}

}  // namespace chg
