// The smallest change of a pool that can be counted.
#pragma once

#include <string>

#include "store/store.h"
#include "support/full_pool.h"

namespace chg {

inline void add_one(Store& store) {
  store.update([](Pool& pool) {
    pool.events.push_back(usage_event(std::to_string(pool.next_arrival), 0, 1));
    ++pool.next_arrival;
  });
}

}  // namespace chg
