// Reads the GPUs.
#pragma once

#include <utility>
#include <variant>

#include "base/error.h"
#include "core/observation.h"

namespace chg {

class Probe {
 public:
  virtual ~Probe() = default;

  /// Reads every GPU. What cannot be read of one GPU is missing in its reading, or named in its
  /// `error`, and does not hide the others. Throws Error when nothing can be read at all (no tool,
  /// no driver, timeout): callers must then treat every GPU as unknown. Never takes much longer
  /// than the timeout it was made with. GpuProcess::asked_proc tells of which processes
  /// /proc was asked; SharedProbe asks about the others.
  virtual Observation read_gpus() = 0;
};

/// Why nothing could be read at all.
struct ReadFailure {
  enum class Reason {
    LibraryMissing,   ///< the vendor's library is not installed
    LibraryUnusable,  ///< it cannot be loaded, or lacks what is needed
    LibraryMismatch,  ///< it is of another version than the driver in the kernel
    DriverNotLoaded,  ///< the kernel has no driver
    Crashed,          ///< the reading process ended without an answer
    Late,             ///< the timeout passed
    Other,
  };

  Reason reason = Reason::Other;
  Error error;  ///< for people
};

/// For callers who can do something else where reading failed.
using ReadResult = std::variant<Observation, ReadFailure>;

/// The observation. Throws the Error of a failure.
inline Observation observation_or_throw(ReadResult result) {
  if (const auto* failure = std::get_if<ReadFailure>(&result)) throw failure->error;
  return std::get<Observation>(std::move(result));
}

}  // namespace chg
