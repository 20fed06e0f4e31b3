// What the events tell, held against the pool: whoever reads nothing but events knows who waits,
// and who has which GPUs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg::sim {

class Ledger {
 public:
  /// Throws Violation for what can't have happened after the events before.
  void follow(const std::vector<chg::Event>& events);

  /// Throws Violation where the pool is not what the events tell.
  void compare(const Pool& pool) const;

 private:
  void follow(const chg::Event& event);
  void follow_end(const chg::Event& event);

  std::set<std::string> waiting_;
  std::map<std::string, std::set<int>> held_;
};

}  // namespace chg::sim
