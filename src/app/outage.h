#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace chg {

/// What a waiter tells of the troubles of its store: each of them once for an outage, which is over
/// after a minute without any. Others that hold the lock are no outage before the third of them in
/// a row, since most such troubles heal by themselves.
class Outage {
 public:
  /// A transient error was met. Whether people should be told of it.
  bool tells(const Error& error, const Instant& now);

 private:
  std::optional<Instant> began_;
  Instant last_;
  std::set<std::string> told_;
};

}  // namespace chg
