#include "store/store.h"

namespace chg {

std::vector<UsageRecord> Store::history(WallTime from) {
  const std::unique_ptr<EventReader> reader = read_events({.from = from, .only_ends = true});
  std::vector<UsageRecord> all;
  for (auto events = reader->next(); !events.empty(); events = reader->next()) {
    for (UsageRecord& record : usage_of(events)) {
      if (record.ended >= from) all.push_back(std::move(record));
    }
  }
  return all;
}

}  // namespace chg
