#include "app/store_copy.h"

#include <gtest/gtest.h>

#include "support/app_scene.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

/// A store that is not as good as it should be.
class FlawedStore final : public Store {
 public:
  explicit FlawedStore(Store& store) : store_(store) {}

  void update(const std::function<void(Pool&)>& change) override {
    store_.update([&](Pool& pool) {
      change(pool);
      if (flaw) flaw(pool);
    });
  }
  Pool read() override {
    if (before_read) before_read();
    return store_.read();
  }
  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return store_.read_events(asked);
  }
  void forget_events(WallTime before) override { store_.forget_events(before); }
  std::unique_ptr<Subscription> subscribe_to(const std::string& id) override {
    return store_.subscribe_to(id);
  }
  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return store_.subscribe_to_changes();
  }
  std::string location() const override { return "flawed"; }

  std::function<void(Pool&)> flaw;  ///< called at the end of each update
  std::function<void()> before_read;

 private:
  Store& store_;
};

class StoreCopyTest : public ::testing::Test {
 protected:
  StoreCopyTest() {
    app_.scene.pool.creator_uid = caller_.account.uid;
    app_.save();
  }

  Context context(const std::string& name) {
    ContextOptions options;
    options.store_path = name;
    options.store_url = name;
    options.state_directory = folder_.path("state");
    return Context(world_, options, caller_);
  }

  void remember(Store& store, int begin, int end) {
    store.update([&](Pool& pool) {
      for (int i = begin; i < end; ++i) {
        pool.events.push_back(usage_event("r" + std::to_string(i), i % 8, i / 10));
      }
    });
  }

  StoreCopy copy() {
    Context from = context("from");
    Context to = context("to");
    return copy_store(from, to);
  }

  bool target_is_empty() {
    return target_.read() == Pool{} && target_.history(WallTime::min()).empty();
  }

  /// Hands out one of the two stores, which outlive it.
  std::unique_ptr<Store> open(const std::string& name) {
    auto store = std::make_unique<FlawedStore>(name == "from" ? static_cast<Store&>(app_.store)
                                                              : static_cast<Store&>(target_));
    if (name == "from") store->before_read = before_read_;
    if (name == "to") store->flaw = flaw_;
    return store;
  }

  const Caller caller_{{1000, ""}};
  TemporaryFolder folder_;
  AppScene app_{4};
  MemoryStore target_;
  std::function<void(Pool&)> flaw_;
  std::function<void()> before_read_;
  World world_{
      app_.scene.clock,
      [this](const std::string& name) { return open(name); },
      [this](const std::string& name, const std::optional<Sharing>&) { return open(name); },
      app_.world.make_probe,
      app_.world.last_reading,
      app_.world.take_inventory,
      app_.world.create_reading_file,
      app_.world.create_fake_gpus};
};

TEST_F(StoreCopyTest, CopiesPoolAndHistory) {
  app_.scene.hold({.id = "mine", .kind = ReservationKind::Manual, .gpus = {1}});
  app_.save();
  remember(app_.store, 0, 2500);
  const Pool before = app_.store.read();
  const StoreCopy copied = copy();
  EXPECT_EQ(copied.events, 2500U);
  EXPECT_EQ(copied.pool, before);
  EXPECT_EQ(target_.read(), before);
  EXPECT_EQ(target_.history(WallTime::min()), app_.store.history(WallTime::min()));
  EXPECT_EQ(app_.store.read(), before);
}

TEST_F(StoreCopyTest, LeavesTheQueueBehind) {
  app_.scene.ask({.id = "waits"});
  app_.save();
  EXPECT_EQ(copy().waiting, 1);
  EXPECT_TRUE(target_.read().queue.empty());
  EXPECT_EQ(app_.store.read().queue.size(), 1U);
}

TEST_F(StoreCopyTest, GoesOnWhereItWasInterrupted) {
  remember(app_.store, 0, 2500);
  remember(target_, 0, 1000);
  EXPECT_EQ(copy().events, 2500U);
  EXPECT_EQ(target_.history(WallTime::min()), app_.store.history(WallTime::min()));
}

TEST_F(StoreCopyTest, LeavesAnotherHistoryAlone) {
  remember(app_.store, 0, 10);
  remember(target_, 5, 8);
  expect_error(ErrorKind::Failed, "'to' has a history of its own", [&] { copy(); });
  EXPECT_EQ(target_.history(WallTime::min()).size(), 3U);
  EXPECT_EQ(target_.read(), Pool{});
}

TEST_F(StoreCopyTest, LeavesAnotherPoolAlone) {
  target_.update([](Pool& pool) { pool.gpus.resize(1); });
  expect_error(ErrorKind::Failed, "there is a pool in 'to' already", [&] { copy(); });
  EXPECT_EQ(target_.read().gpus.size(), 1U);
}

TEST_F(StoreCopyTest, HasNothingToCopyWithoutAPool) {
  app_.store.update([](Pool& pool) { pool = Pool{}; });
  expect_error(ErrorKind::Failed, "there is no pool in 'from' to copy", [&] { copy(); });
}

TEST_F(StoreCopyTest, LeavesACopyThatSomebodyUses) {
  remember(app_.store, 0, 10);
  flaw_ = [](Pool& pool) {
    if (!pool.gpus.empty()) pool.gpus[0].out_of_service = "fan";
  };
  expect_error(ErrorKind::Failed, "the pool differs in 'to'", [&] { copy(); });
  EXPECT_EQ(target_.read().gpus[0].out_of_service, "fan");
  EXPECT_EQ(target_.history(WallTime::min()).size(), 10U);
}

TEST_F(StoreCopyTest, LeavesAPoolThatIsSetUpMeanwhile) {
  remember(app_.store, 0, 10);
  int reads = 0;
  before_read_ = [&] {
    if (++reads == 2) target_.update([](Pool& pool) { pool.gpus.resize(1); });
  };
  expect_error(ErrorKind::Failed, "somebody has set a pool up in 'to'", [&] { copy(); });
  EXPECT_EQ(target_.read().gpus.size(), 1U);
  EXPECT_EQ(target_.history(WallTime::min()).size(), 10U);
}

TEST_F(StoreCopyTest, TakesAwayACopyWhoseHistoryDiffers) {
  remember(app_.store, 0, 10);
  flaw_ = [](Pool& pool) {
    if (pool.events.size() > 3) pool.events[3].gpus = {77};
  };
  expect_error(ErrorKind::Failed, "event 4 differs in 'to'", [&] { copy(); });
  EXPECT_TRUE(target_is_empty());
}

TEST_F(StoreCopyTest, TakesAwayACopyThatCanNotBeFinished) {
  remember(app_.store, 0, 1500);
  flaw_ = [](Pool& pool) {
    if (!pool.gpus.empty()) throw Error(ErrorKind::Failed, "no space left");
  };
  expect_error(ErrorKind::Failed, "no space left", [&] { copy(); });
  EXPECT_TRUE(target_is_empty());
}

TEST_F(StoreCopyTest, TakesAwayAHistoryThatCanNotBeFinished) {
  remember(app_.store, 0, 1500);
  flaw_ = [](Pool& pool) {
    if (pool.events.size() == 500) throw Error(ErrorKind::Failed, "no space left");
  };
  expect_error(ErrorKind::Failed, "no space left", [&] { copy(); });
  EXPECT_TRUE(target_is_empty());
}

TEST_F(StoreCopyTest, FollowsAPoolThatChangesMeanwhile) {
  remember(app_.store, 0, 10);
  int reads = 0;
  before_read_ = [&] {
    // While it is copied, before the pool is read for good.
    if (++reads == 2) {
      remember(app_.store, 10, 20);
      app_.store.update([](Pool& pool) { pool.gpus[0].model = "newer"; });
    }
  };
  EXPECT_EQ(copy().events, 20U);
  EXPECT_EQ(target_.read().gpus[0].model, "newer");
}

TEST_F(StoreCopyTest, GivesUpOnAPoolThatChangesAllTheTime) {
  int reads = 0;
  before_read_ = [&] {
    remember(app_.store, 10 * reads, 10 * (reads + 1));
    ++reads;
  };
  expect_error(ErrorKind::Failed, "'from' changes all the time", [&] { copy(); });
  EXPECT_TRUE(target_is_empty());
}

TEST_F(StoreCopyTest, CopiesARunThatIsSeenFromHere) {
  app_.scene.hold({.id = "run", .gpus = {2}});
  app_.scene.pool.reservations[0].holder = self_identity();
  app_.save();
  EXPECT_EQ(copy().live_runs, 1);
  EXPECT_EQ(target_.read().reservations[0].holder, self_identity());
}

TEST_F(StoreCopyTest, RefusesARunThatLivesByItsHeartbeats) {
  app_.scene.hold({.id = "run", .gpus = {2}});
  app_.scene.pool.reservations[0].holder = self_identity();
  app_.scene.pool.reservations[0].holder->pid_namespace += 1;
  app_.save();
  expect_error(ErrorKind::Failed, "on GPU 2 cannot be seen from here", [&] { copy(); });
  EXPECT_TRUE(target_is_empty());
  app_.scene.pool.reservations[0].holder.reset();
  app_.save();
  expect_error(ErrorKind::Failed, "cannot be seen from here", [&] { copy(); });
}

TEST_F(StoreCopyTest, RefusesWhatIsJustBeingReserved) {
  app_.scene.hold({.id = "mine", .kind = ReservationKind::Manual, .gpus = {1}});
  app_.scene.pool.reservations[0].holder = self_identity();
  app_.save();
  expect_error(ErrorKind::Failed, "is about to reserve GPU 1", [&] { copy(); });
}

}  // namespace
}  // namespace chg
