#include "store/store.h"

namespace chg {

std::vector<UsageRecord> Store::history(WallTime from) {
  const std::unique_ptr<HistoryReader> reader = read_history(from);
  std::vector<UsageRecord> all;
  while (true) {
    std::vector<UsageRecord> some = reader->next();
    if (some.empty()) return all;
    if (all.empty()) {
      all = std::move(some);
    } else {
      all.insert(all.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
    }
  }
}

}  // namespace chg
