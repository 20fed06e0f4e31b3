// Indices in vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace chg::sim {

inline std::size_t at(int index) { return static_cast<std::size_t>(index); }

inline bool holds(const std::vector<int>& items, int item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace chg::sim
