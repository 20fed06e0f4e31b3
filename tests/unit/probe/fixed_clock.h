// A clock that stands still.
#pragma once

#include "base/clock.h"

namespace chg {

class FixedClock final : public Clock {
 public:
  Instant now() const override {
    return {.wall = WallTime(std::chrono::seconds(1'800'000'000)),
            .boot = std::chrono::seconds(5000),
            .boot_id = "a-boot"};
  }
};

}  // namespace chg
