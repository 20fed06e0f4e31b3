// A store for tests: it lives in this process, and is forgotten with it.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unique_fd.h"
#include "store/difference.h"
#include "store/store.h"

namespace chg {

class MemoryStore final : public Store {
 public:
  void update(const std::function<void(Pool&)>& change) override {
    const std::lock_guard lock(mutex_);
    Pool changed = pool_;
    change(changed);
    const Difference what = difference(pool_, changed);
    history_.insert(history_.end(), changed.ended.begin(), changed.ended.end());
    std::stable_sort(history_.begin(), history_.end(),
                     [](const auto& a, const auto& b) { return a.ended < b.ended; });
    changed.ended.clear();
    pool_ = std::move(changed);
    if (!what.heartbeats_only) ring(what.requests_removed);
  }

  Pool read() override {
    const std::lock_guard lock(mutex_);
    return pool_;
  }

  std::unique_ptr<HistoryReader> read_history(WallTime from) override {
    class Once final : public HistoryReader {
     public:
      std::vector<UsageRecord> records;
      std::vector<UsageRecord> next() override { return std::exchange(records, {}); }
    };
    auto reader = std::make_unique<Once>();
    const std::lock_guard lock(mutex_);
    std::copy_if(history_.begin(), history_.end(), std::back_inserter(reader->records),
                 [&](const UsageRecord& record) { return record.ended >= from; });
    return reader;
  }

  void forget_history() override {
    const std::lock_guard lock(mutex_);
    history_.clear();
  }

  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return subscribe(request_id);
  }
  std::unique_ptr<Subscription> subscribe_to_changes() override { return subscribe(""); }

  std::string location() const override { return "memory"; }

 private:
  // An eventfd, rung from `update`. An empty topic is every change.
  class Bell {
   public:
    explicit Bell(std::string topic)
        : topic_(std::move(topic)), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
      if (!fd_) throw_errno("cannot make an eventfd");
    }

    int fd() const { return fd_.get(); }
    bool listens_to(const std::vector<std::string>& ids) const {
      return topic_.empty() || std::find(ids.begin(), ids.end(), topic_) != ids.end();
    }
    void ring() { eventfd_write(fd_.get(), 1); }

    void silence() {
      eventfd_t count = 0;
      eventfd_read(fd_.get(), &count);
    }

   private:
    std::string topic_;
    UniqueFd fd_;
  };

  void ring(const std::vector<std::string>& requests) {
    std::erase_if(bells_, [](const auto& bell) { return bell.expired(); });
    for (const auto& weak : bells_) {
      const auto bell = weak.lock();
      if (bell && bell->listens_to(requests)) bell->ring();
    }
  }

  std::unique_ptr<Subscription> subscribe(const std::string& topic) {
    class Listener final : public Subscription {
     public:
      explicit Listener(std::shared_ptr<Bell> bell) : bell_(std::move(bell)) {}
      int fd() const override { return bell_->fd(); }
      void renew() override { bell_->silence(); }

     private:
      std::shared_ptr<Bell> bell_;
    };
    auto bell = std::make_shared<Bell>(topic);
    const std::lock_guard lock(mutex_);
    bells_.push_back(bell);
    return std::make_unique<Listener>(bell);
  }

  std::mutex mutex_;
  Pool pool_;
  std::vector<UsageRecord> history_;
  std::vector<std::weak_ptr<Bell>> bells_;
};

}  // namespace chg
