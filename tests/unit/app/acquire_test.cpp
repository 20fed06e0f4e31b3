#include "app/acquire.h"

#include <gtest/gtest.h>

#include "core/changes.h"
#include "support/app_scene.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

Acquired acquire_at_once(AppScene& app, const Ask& ask) {
  std::optional<SignalWatch> signals;
  return acquire(app.context, signals, app.scene.request(ask), {true, std::nullopt},
                 {[](const Decision&, const Instant&) {}, [](const Error&) {}});
}

TEST(Acquire, IsGrantedOnArrivalWhatIsFree) {
  AppScene app(2);
  const Acquired acquired = acquire_at_once(app, {.id = "mine", .gpu_ids = {1}});
  ASSERT_TRUE(std::holds_alternative<Granted>(acquired));
  EXPECT_EQ(std::get<Granted>(acquired).reservation.gpus, Gpus{1});
  EXPECT_EQ(app.store.read().reservations.at(0).holder, self_identity());
}

TEST(Acquire, GivesEachGrantASerialOfItsOwn) {
  AppScene app(1);
  acquire_at_once(app, {.id = "mine"});
  const std::uint64_t first = app.store.read().reservations.at(0).grant;
  app.store.update([](Pool& pool) { pool.reservations.clear(); });
  acquire_at_once(app, {.id = "mine"});
  EXPECT_NE(app.store.read().reservations.at(0).grant, first);
}

TEST(Acquire, WithoutWaitingLeavesTheQueueAgain) {
  AppScene app(1);
  app.scene.hold({.id = "bobs", .uid = kBob, .kind = ReservationKind::Manual, .ends_in = hours(1)});
  app.save();
  const Acquired acquired = acquire_at_once(app, {.id = "mine"});
  ASSERT_TRUE(std::holds_alternative<NotGranted>(acquired));
  const auto& refused = std::get<NotGranted>(acquired);
  EXPECT_EQ(refused.why, NotGranted::Why::NotAvailable);
  ASSERT_TRUE(refused.decision);
  EXPECT_EQ(refused.decision->reason.blockers.at(0).who, "bob");
  EXPECT_TRUE(app.store.read().queue.empty());
}

TEST(Acquire, DoesNotJoinTheQueueWhenTheProbeFails) {
  AppScene app(1);
  app.look = []() -> Observation { throw Error(ErrorKind::Failed, "nvidia-smi failed"); };
  expect_error(ErrorKind::Failed, "nvidia-smi failed",
               [&] { acquire_at_once(app, {.id = "mine"}); });
  EXPECT_TRUE(app.written.empty());
}

TEST(Acquire, IsNotGrantedWhatSomebodyUsesUnreserved) {
  AppScene app(1);
  app.look = [&] { return app.scene.observation({reading(0, {{.uid = kBob}})}); };
  EXPECT_TRUE(std::holds_alternative<NotGranted>(acquire_at_once(app, {.id = "mine"})));
  EXPECT_TRUE(app.store.read().reservations.empty());
}

// The GPU was released while the probe looked, so the look says nothing of it; a second one shows
// that somebody uses it.
AppScene& with_a_gpu_released_during_the_look(AppScene& app) {
  app.look = [&app, looks = 0]() mutable {
    const Observation before = app.scene.observation({reading(0), reading(1)});
    app.scene.clock.advance(seconds(1));
    if (++looks == 1) {
      app.store.update([&](Pool& pool) { pool.gpus[0].last_released = app.scene.now(); });
      app.scene.clock.advance(seconds(1));
      return before;
    }
    return app.scene.observation({reading(0, {{.uid = kBob}}), reading(1)});
  };
  return app;
}

TEST(Acquire, LooksAgainBeforeItTrustsAGrantThatTheLookDoesNotCover) {
  AppScene app(2);
  with_a_gpu_released_during_the_look(app);
  EXPECT_TRUE(
      std::holds_alternative<NotGranted>(acquire_at_once(app, {.id = "mine", .gpu_ids = {0}})));
  EXPECT_TRUE(app.store.read().reservations.empty());
  EXPECT_TRUE(app.store.history(WallTime::min()).empty());
}

TEST(Acquire, GivesAWrongGrantBackToItsOldPlaceInTheQueue) {
  AppScene app(2);
  app.scene.hold({.id = "bobs",
                  .uid = kBob,
                  .kind = ReservationKind::Manual,
                  .gpus = {1},
                  .ends_in = hours(1)});
  app.scene.ask({.id = "earlier", .gpu_ids = {1}});
  app.scene.pool.queue[0].waiter = self_identity();
  app.save();
  with_a_gpu_released_during_the_look(app);
  acquire_at_once(app, {.id = "mine", .gpu_ids = {0}});
  // The update that gave the grant back.
  const auto given_back =
      std::find_if(app.written.begin(), app.written.end(),
                   [](const Pool& pool) { return find_request(pool, "mine") != nullptr; });
  ASSERT_NE(given_back, app.written.end());
  ASSERT_EQ(given_back->queue.size(), 2U);
  EXPECT_EQ(given_back->queue[0].id, "earlier");
  EXPECT_GT(given_back->queue[1].arrival, given_back->queue[0].arrival);
}

// What the store does to a request while it waits, and how the waiter takes it.
Acquired wait_while(AppScene& app, const std::function<void(Pool&)>& strike) {
  app.scene.hold({.id = "bobs", .uid = kBob, .kind = ReservationKind::Manual, .ends_in = hours(1)});
  app.save();
  int told = 0;
  std::optional<SignalWatch> signals;
  return acquire(app.context, signals, app.scene.request({.id = "mine"}), {},
                 {[&](const Decision&, const Instant&) {
                    if (++told == 1) app.store.update(strike);
                  },
                  [](const Error&) {}});
}

TEST(Acquire, BelievesThatItWasCancelledOnlyWhenItWas) {
  AppScene app(1);
  const Acquired acquired = wait_while(app, [](Pool& pool) {
    cancel(pool, {{0, "root"}, true}, "mine");
  });
  ASSERT_TRUE(std::holds_alternative<NotGranted>(acquired));
  EXPECT_EQ(std::get<NotGranted>(acquired).why, NotGranted::Why::Cancelled);
  EXPECT_TRUE(app.store.read().cancelled.empty());
}

TEST(Acquire, ComesBackToTheQueueWhenTheStoreHasLostItsRequest) {
  AppScene app(1);
  const Acquired acquired = wait_while(app, [](Pool& pool) {
    pool.queue.clear();
    pool.reservations.clear();
    pool.next_arrival = 1;
  });
  ASSERT_TRUE(std::holds_alternative<Granted>(acquired));
  EXPECT_EQ(std::get<Granted>(acquired).reservation.id, "mine");
}

// Trouble with the store, once: before the request has joined, or when its answer is lost.
std::function<void(bool)> trouble_once(bool is_made_all_the_same) {
  return [is_made_all_the_same, struck = false](bool is_made) mutable {
    if (struck || is_made != is_made_all_the_same) return;
    struck = true;
    throw Error(ErrorKind::Failed, "the store is locked").with(Retry::Busy);
  };
}

struct Troubled {
  Acquired acquired;
  std::vector<std::string> told;
};

Troubled acquire_in_trouble(AppScene& app, const AcquireOptions& options) {
  std::vector<std::string> told;
  std::optional<SignalWatch> signals;
  Acquired acquired = acquire(app.context, signals, app.scene.request({.id = "mine"}), options,
                              {[](const Decision&, const Instant&) {},
                               [&](const Error& error) { told.emplace_back(error.what()); }});
  return {std::move(acquired), told};
}

TEST(Acquire, SitsOutTroubleBeforeItHasJoinedTheQueue) {
  AppScene app(1);
  app.strike = trouble_once(false);
  const Troubled troubled = acquire_in_trouble(app, {});
  EXPECT_TRUE(std::holds_alternative<Granted>(troubled.acquired));
  EXPECT_EQ(troubled.told, std::vector<std::string>{"the store is locked"});
  EXPECT_EQ(app.store.read().reservations.size(), 1U);
}

TEST(Acquire, TellsAtOnceWhatIsWrongBeforeItHasJoined) {
  AppScene app(1);
  app.strike = [](bool) { throw Error(ErrorKind::Failed, "no space left").with(Retry::Later); };
  expect_error(ErrorKind::Failed, "no space left", [&] { acquire_in_trouble(app, {}); });
}

TEST(Acquire, JoinsOnceWhenItIsNotToldThatItHasJoined) {
  AppScene app(1);
  app.strike = trouble_once(true);
  const Troubled troubled = acquire_in_trouble(app, {});
  EXPECT_TRUE(std::holds_alternative<Granted>(troubled.acquired));
  EXPECT_EQ(troubled.told.size(), 1U);
  EXPECT_EQ(app.store.read().reservations.size(), 1U);
  EXPECT_TRUE(app.store.read().queue.empty());
}

TEST(Acquire, LooksAgainAfterTroubleBeforeItJoins) {
  AppScene app(1);
  app.look = [&app, looks = 0]() mutable {
    ++looks;
    return app.scene.observation({looks == 1 ? reading(0) : reading(0, {{.uid = kBob}})});
  };
  app.strike = [&app, strike = trouble_once(false)](bool is_made) mutable {
    strike(is_made);
    if (!is_made) return;
    EXPECT_TRUE(app.written.back().reservations.empty()) << "granted on what was seen before";
    app.store.update([&app](Pool& pool) { clear(pool, {}, app.scene.now()); });
  };
  EXPECT_TRUE(std::holds_alternative<NotGranted>(acquire_in_trouble(app, {}).acquired));
}

TEST(Acquire, SitsNothingOutWhenItDoesNotWait) {
  for (const AcquireOptions& options :
       {AcquireOptions{true, std::nullopt}, AcquireOptions{false, Duration::zero()}}) {
    AppScene app(1);
    app.strike = trouble_once(false);
    expect_error(ErrorKind::Failed, "is locked", [&] { acquire_in_trouble(app, options); });
    EXPECT_TRUE(app.store.read().reservations.empty());
  }
}

}  // namespace
}  // namespace chg
