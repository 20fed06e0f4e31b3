// A store for tests: it lives in this process, and is forgotten with it.
#pragma once

#include <map>
#include <mutex>

#include "store/store.h"

namespace chg {

class MemoryStore final : public Store {
 public:
  void update(const std::function<void(Pool&)>& change) override;
  Pool read() override;
  std::unique_ptr<HistoryReader> read_history(WallTime from) override;
  void forget_history() override;
  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override;
  std::unique_ptr<Subscription> subscribe_to_changes() override;
  std::string location() const override { return "memory"; }

 private:
  class Bell;

  std::unique_ptr<Subscription> subscribe(const std::string& topic);

  std::mutex mutex_;
  Pool pool_;
  std::vector<UsageRecord> history_;
  std::vector<std::weak_ptr<Bell>> bells_;
};

}  // namespace chg
