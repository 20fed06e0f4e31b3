#include "app/outage.h"

#include <chrono>

namespace chg {
namespace {

// Without any error, it is over.
constexpr std::chrono::minutes kCalm{1};

// A store gives up after 10 s, and is asked again after a second: the third time in a row.
constexpr std::chrono::seconds kBusyPatience{20};

}  // namespace

bool Outage::tells(const Error& error, const Instant& now) {
  if (!began_ || age(last_, now) > kCalm) {
    began_ = now;
    told_.clear();
  }
  last_ = now;
  if (error.retry() == Retry::Busy && age(*began_, now) < kBusyPatience) return false;
  return told_.insert(error.what()).second;
}

}  // namespace chg
