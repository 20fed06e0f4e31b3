// Invariant 4 of ARCHITECTURE.md: every change begins with reap and ends with schedule.
#include "app/pool_update.h"

#include <gtest/gtest.h>

#include "core/schedule.h"
#include "support/app_scene.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::hours;

TEST(UpdatePool, EndsWhatIsOverBeforeTheChangeSeesThePool) {
  AppScene app(1);
  app.scene.hold(
      {.id = "over", .kind = ReservationKind::Manual, .ends_in = -hours(1), .age = hours(3)});
  app.save();
  bool seen = true;
  update_pool(app.context, nullptr, [&](Pool& pool, const Circumstances&) {
    seen = find_reservation(pool, "over") != nullptr;
  });
  EXPECT_FALSE(seen);
  EXPECT_EQ(app.store.history(WallTime::min()).size(), 1U);
}

TEST(UpdatePool, EndsARunWhoseProcessIsGoneAndKeepsOneThatLives) {
  AppScene app(2);
  app.scene.hold({.id = "dead", .gpus = {0}});
  app.scene.hold({.id = "alive", .gpus = {1}});
  app.scene.pool.reservations[0].holder = dead_process();
  app.scene.pool.reservations[1].holder = self_identity();
  app.save();
  const Pool pool = update_pool(app.context, nullptr, change_nothing);
  EXPECT_EQ(find_reservation(pool, "dead"), nullptr);
  EXPECT_NE(find_reservation(pool, "alive"), nullptr);
}

TEST(UpdatePool, GrantsAfterTheChange) {
  AppScene app(1);
  Request request = app.scene.request({.id = "mine"});
  request.waiter = self_identity();
  const Pool pool = update_pool(app.context, nullptr, [&](Pool& changed, const Circumstances&) {
    enqueue(changed, request);
  });
  EXPECT_NE(find_reservation(pool, "mine"), nullptr);
  EXPECT_EQ(app.store.read(), pool);
}

TEST(UpdatePool, ServesTheNextWhenTheChangeEndsAReservation) {
  AppScene app(1);
  app.scene.hold({.id = "bobs", .uid = kBob, .kind = ReservationKind::Manual, .ends_in = hours(1)});
  app.scene.ask({.id = "next"});
  app.scene.pool.queue[0].waiter = self_identity();
  app.save();
  const Pool pool =
      update_pool(app.context, nullptr, [&](Pool& changed, const Circumstances& given) {
        end_reservation(changed, "bobs", given.now, EndReason::Released);
      });
  EXPECT_NE(find_reservation(pool, "next"), nullptr);
}

TEST(UpdatePool, GrantsNothingThatTheObservationShowsInUse) {
  AppScene app(2);
  const Observation seen = app.scene.observation({reading(0, {{.uid = kBob}}), reading(1)});
  Request request = app.scene.request({.id = "mine"});
  request.waiter = self_identity();
  const Pool pool = update_pool(
      app.context, &seen, [&](Pool& changed, const Circumstances&) { enqueue(changed, request); });
  ASSERT_NE(find_reservation(pool, "mine"), nullptr);
  EXPECT_EQ(find_reservation(pool, "mine")->gpus, Gpus{1});
}

TEST(UpdatePool, WritesNothingWhenTheChangeThrows) {
  AppScene app(1);
  app.scene.hold(
      {.id = "over", .kind = ReservationKind::Manual, .ends_in = -hours(1), .age = hours(3)});
  app.save();
  error_of([&] {
    update_pool(app.context, nullptr,
                [](Pool&, const Circumstances&) { throw Error(ErrorKind::Usage, "no"); });
  });
  EXPECT_NE(find_reservation(app.store.read(), "over"), nullptr);
  EXPECT_TRUE(app.store.history(WallTime::min()).empty());
}

}  // namespace
}  // namespace chg
