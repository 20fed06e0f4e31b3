#include "app/view.h"

#include <gtest/gtest.h>

#include "app/acquire.h"
#include "support/app_scene.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

[[noreturn]] Observation hang() { throw Error(ErrorKind::Failed, "the driver hangs"); }

TEST(ViewStatus, ShowsWhatIsSeenNow) {
  AppScene app(1);
  app.look = [&] { return app.scene.observation({reading(0, {{.pid = 5}})}); };
  const Overview seen = view_status(app.context);
  EXPECT_EQ(seen.gpus.at(0).status, GpuStatus::Unreserved);
  EXPECT_EQ(seen.probe_failure, "");
  EXPECT_EQ(seen.observed, app.scene.now());
  EXPECT_EQ(seen.gpus.at(0).stale_for, std::nullopt);
}

TEST(ViewStatus, ShowsWhatWasSeenLastWhenTheProbeFails) {
  AppScene app(1);
  app.last_seen = app.scene.observation({reading(0, {{.pid = 5}})});
  app.scene.clock.advance(seconds(45));
  app.look = hang;
  const Overview seen = view_status(app.context);
  EXPECT_EQ(seen.probe_failure, "the driver hangs");
  EXPECT_EQ(seen.gpus.at(0).status, GpuStatus::Unreserved);
  EXPECT_EQ(seen.gpus.at(0).stale_for, seconds(45));
}

TEST(ViewStatus, ShowsWhatTheStoreKnowsWhenNothingWasEverSeen) {
  AppScene app(1);
  app.look = hang;
  const Overview seen = view_status(app.context);
  EXPECT_EQ(seen.probe_failure, "the driver hangs");
  EXPECT_EQ(seen.observed, std::nullopt);
  EXPECT_EQ(seen.gpus.at(0).reading, std::nullopt);
}

TEST(ViewStatus, NeverActsOnWhatWasSeenBefore) {
  AppScene app(1);
  app.scene.hold({.id = "run", .holder = 2'000'000'000, .supervisor = 2'000'000'001});
  app.scene.ask({.id = "waits"});
  app.save();
  app.last_seen = app.scene.observation({reading(0)});
  app.look = hang;
  view_status(app.context);
  EXPECT_EQ(app.store.read().reservations.size(), 1U);
  EXPECT_EQ(app.store.read().gpus.at(0).unavailable, std::nullopt);
}

TEST(Glance, IsContentWithWhatOthersSawAMomentAgo) {
  AppScene app(1);
  view_status(app.context);
  const Instant begin = app.choices.at(0).not_before;
  EXPECT_EQ(age(begin, app.scene.now()), milliseconds(500));
  EXPECT_EQ(begin.boot_id, app.scene.now().boot_id);
}

TEST(Glance, IsNeverOfBeforeTheLastRelease) {
  AppScene app(2);
  app.scene.gpu(0).last_released = app.scene.ago(milliseconds(200));
  app.scene.gpu(1).last_released = app.scene.ago(minutes(5));
  app.save();
  view_status(app.context);
  EXPECT_EQ(age(app.choices.at(0).not_before, app.scene.now()), milliseconds(200));
}

TEST(Glance, IsContentAfterARebootThatSetTheWallClockBack) {
  AppScene app(1);
  app.scene.gpu(0).last_released = app.scene.ago(minutes(5));
  app.save();
  app.scene.clock.reboot();
  app.scene.clock.step_wall(-std::chrono::hours(1));
  view_status(app.context);
  EXPECT_EQ(age(app.choices.at(0).not_before, app.scene.now()), milliseconds(500));
}

TEST(ViewStatus, BelievesWhatWasSeenInThisBootMoreThanWhatWasInAnother) {
  AppScene app(1);
  app.scene.gpu(0).unavailable = use_by({kAlice});
  app.scene.gpu(0).unavailable->seen = app.scene.now();
  app.save();
  app.scene.clock.reboot();
  app.scene.clock.step_wall(-std::chrono::hours(1));
  app.last_seen = app.scene.observation({reading(0)});
  app.scene.clock.advance(seconds(45));
  app.look = hang;
  EXPECT_EQ(view_status(app.context).gpus.at(0).status, GpuStatus::NotReserved);
}

TEST(Look, OfWhoReservesIsNeverOlderThanItself) {
  AppScene app(1);
  std::optional<SignalWatch> signals;
  acquire(app.context, signals, app.scene.request({.id = "mine"}), {true, std::nullopt},
          {[](const Decision&, const Instant&) {}, [](const Error&) {}});
  EXPECT_EQ(app.choices.at(0).not_before, app.scene.now());
}

TEST(Look, ThatFailsIsNotReplacedByAnOldOneWhereSomebodyReserves) {
  AppScene app(1);
  app.last_seen = app.scene.observation({reading(0)});
  app.look = hang;
  std::optional<SignalWatch> signals;
  expect_error(ErrorKind::Failed, "the driver hangs", [&] {
    acquire(app.context, signals, app.scene.request({.id = "mine"}), {true, std::nullopt},
            {[](const Decision&, const Instant&) {}, [](const Error&) {}});
  });
}

// The pool of another host.

TEST(ViewElsewhere, ShowsWhatTheStoreKnowsAndLooksAtNothing) {
  AppScene app(2);
  app.scene.hold({.id = "run", .gpus = {1}, .silent = seconds(30), .holder = 5, .supervisor = 6});
  app.scene.pool.host = {"alpha", "another boot"};
  app.save();
  const Pool before = app.store.read();
  const Overview seen = view_status(app.context);
  EXPECT_EQ(seen.elsewhere, "alpha");
  EXPECT_EQ(seen.gpus.at(1).status, GpuStatus::InUse);
  EXPECT_EQ(seen.observed, std::nullopt);
  EXPECT_TRUE(app.choices.empty());
  EXPECT_EQ(view_queue(app.context).elsewhere, "alpha");
  EXPECT_EQ(view_report(app.context, 1, ReportBy::User).elsewhere, "alpha");
  EXPECT_EQ(app.store.read(), before);
}

TEST(ViewElsewhere, LeavesOutWhatIsOverAndEndsNothing) {
  AppScene app(2);
  app.scene.hold(
      {.id = "mine", .kind = ReservationKind::Manual, .gpus = {1}, .ends_in = -seconds(5)});
  app.scene.pool.host = {"alpha", "another boot"};
  app.save();
  EXPECT_EQ(view_status(app.context).gpus.at(1).status, GpuStatus::NotReserved);
  EXPECT_EQ(app.store.read().reservations.size(), 1U);
  app.scene.pool.host = this_host();
  app.save();
  EXPECT_EQ(view_status(app.context).elsewhere, "");
  EXPECT_TRUE(app.store.read().reservations.empty());
}

TEST(ViewElsewhere, NobodyReservesThere) {
  AppScene app(2);
  app.scene.pool.host = {"alpha", "another boot"};
  app.save();
  std::optional<SignalWatch> signals;
  expect_error(ErrorKind::Failed, "is of host 'alpha'",
               [&] { acquire(app.context, signals, app.scene.request({}), {}, {}); });
  EXPECT_TRUE(app.store.read().queue.empty());
}

}  // namespace
}  // namespace chg
