// A store for tests: it lives in this process, and is forgotten with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
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
    for (Event& event : changed.events) {
      last_ = std::max({last_ + 1, event.at.time_since_epoch().count()});
      events_.emplace(last_, std::move(event));
    }
    changed.events.clear();
    pool_ = std::move(changed);
    if (!what.heartbeats_only) ring(what.requests_removed);
  }

  Pool read() override {
    const std::lock_guard lock(mutex_);
    return pool_;
  }

  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return std::make_unique<Reader>(*this, asked);
  }

  void forget_events(WallTime before) override {
    const std::lock_guard lock(mutex_);
    events_.erase(events_.begin(), events_.lower_bound(before.time_since_epoch().count()));
  }

  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return subscribe(request_id);
  }
  std::unique_ptr<Subscription> subscribe_to_changes() override { return subscribe(""); }

  std::string location() const override { return "memory"; }

 private:
  class Reader final : public EventReader {
   public:
    Reader(MemoryStore& store, const EventsAsked& asked)
        : store_(store),
          only_ends_(asked.only_ends),
          read_(std::max({std::int64_t{1}, asked.from.time_since_epoch().count(),
                          static_cast<std::int64_t>(asked.after.time) + 1}) -
                1) {}

    std::vector<Event> next() override {
      const std::lock_guard lock(store_.mutex_);
      std::vector<Event> events;
      for (auto one = store_.events_.upper_bound(read_); one != store_.events_.end(); ++one) {
        read_ = one->first;
        if (!only_ends_ || one->second.kind == EventKind::Ended) events.push_back(one->second);
      }
      return events;
    }

    EventPosition position() const override { return {static_cast<std::uint64_t>(read_), 0}; }

   private:
    MemoryStore& store_;
    bool only_ends_;
    std::int64_t read_;
  };

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
  std::map<std::int64_t, Event> events_;  ///< by what SqliteStore calls their serials
  std::int64_t last_ = 0;
  std::vector<std::weak_ptr<Bell>> bells_;
};

}  // namespace chg
