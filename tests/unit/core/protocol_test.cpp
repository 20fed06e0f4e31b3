// The steps of a request, from its arrival to the end of what it asked for.
#include "core/protocol.h"

#include <gtest/gtest.h>

#include "core/changes.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Request unasked(Scene& scene, const Ask& special) {
  Request made = scene.request(special);
  made.enqueued = made.last_heartbeat = {};
  return made;
}

// A request as its waiter remembers it; the pool has lost it.
Request remembered(Scene& scene, const Ask& special) {
  Pool lost = scene.pool;
  Request made = unasked(scene, special);
  join(lost, made, scene.now());
  return made;
}

TEST(Join, PutsANewRequestAtTheEndAndFillsInWhenAndWhere) {
  Scene scene(1);
  scene.ask({.id = "first"});
  Request mine = unasked(scene, {.id = "mine"});
  join(scene.pool, mine, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"first", "mine"}));
  EXPECT_EQ(mine.enqueued, scene.now());
  EXPECT_EQ(mine.arrival, scene.pool.queue.front().arrival + 1);
  EXPECT_EQ(scene.pool.queue.back(), mine);
}

TEST(Join, PutsARequestThatHasWaitedBeforeInItsPlace) {
  Scene scene(1);
  Request mine = remembered(scene, {.id = "mine"});
  scene.clock.advance(minutes(1));
  scene.ask({.id = "later"});
  join(scene.pool, mine, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"mine", "later"}));
  EXPECT_EQ(mine.last_heartbeat, scene.now());
}

TEST(Join, OnlyGivesASignOfLifeWhenAnEarlierAttemptWasCarriedOut) {
  Scene scene(1);
  Request waits = unasked(scene, {.id = "waits"});
  join(scene.pool, waits, scene.now());
  scene.hold({.id = "granted"});
  Request granted = unasked(scene, {.id = "granted"});
  Pool expected = scene.pool;
  scene.clock.advance(minutes(1));
  expected.queue.front().last_heartbeat = scene.now();
  join(scene.pool, waits, scene.now());
  join(scene.pool, granted, scene.now());
  EXPECT_EQ(scene.pool, expected);
}

TEST(Join, LearnsItsPlaceFromAnEarlierAttemptWhoseReplyWasLost) {
  Scene scene(1);
  Request first = unasked(scene, {.id = "mine"});
  Request again = first;
  scene.pool.policy.default_timeout = hours(2);
  join(scene.pool, first, scene.now());
  scene.clock.advance(minutes(1));
  join(scene.pool, again, scene.now());
  EXPECT_EQ(again.arrival, first.arrival);
  EXPECT_EQ(again.enqueued, first.enqueued);
  EXPECT_EQ(again.duration, hours(2));
  Request granted = unasked(scene, {.id = "mine"});
  scene.schedule();
  join(scene.pool, granted, scene.now());
  EXPECT_EQ(granted.arrival, first.arrival);
}

TEST(Withdraw, TakesOnlyAWaitingRequestOut) {
  Scene scene(1);
  scene.hold({.id = "granted"});
  scene.ask({.id = "first"});
  scene.ask({.id = "second"});
  EXPECT_TRUE(withdraw(scene.pool, "first"));
  EXPECT_FALSE(withdraw(scene.pool, "granted"));
  EXPECT_EQ(scene.waiting(), Ids{"second"});
  EXPECT_EQ(scene.gpus_of("granted"), Gpus{0});
}

TEST(Join, KeepsTheOrderOfALostPool) {
  Scene scene(3);
  scene.clock.advance(-hours(10));
  Request first = remembered(scene, {.id = "first"});
  scene.clock.advance(minutes(1));
  Request second = remembered(scene, {.id = "second"});
  scene.clock.advance(minutes(1));
  scene.ask({.id = "new"});
  join(scene.pool, second, scene.now());
  join(scene.pool, first, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"first", "second", "new"}));
  EXPECT_LT(scene.pool.queue.back().arrival, scene.pool.next_arrival);
}

TEST(Join, StaysBehindThoseThatThePoolKnowsWhereverTheClockStands) {
  Scene scene(1);
  scene.ask({.id = "first"});
  scene.clock.step_wall(-hours(2));
  scene.ask({.id = "second"});
  scene.clock.reboot();
  scene.ask({.id = "third"});
  EXPECT_EQ(scene.waiting(), (Ids{"first", "second", "third"}));
}

TEST(Join, PutsThoseOfTheSameNumberInTheOrderOfTheirIds) {
  Scene scene(1);
  Request b = remembered(scene, {.id = "b"});
  Request a = remembered(scene, {.id = "a"});
  ASSERT_EQ(a.arrival, b.arrival);
  join(scene.pool, b, scene.now());
  join(scene.pool, a, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"a", "b"}));
}

TEST(Join, RefusesWhatAPoolThatIsSmallerNowCanNeverGrant) {
  Scene scene(3);
  Request big = remembered(scene, {.id = "big", .count = 3});
  scene.pool.gpus.pop_back();
  expect_error(ErrorKind::Usage, "", [&] { join(scene.pool, big, scene.now()); });
}

TEST(AcknowledgeCancelled, TellsAWaiterOnceThatItWasCancelled) {
  Scene scene(3);
  scene.ask({.id = "mine"});
  cancel(scene.pool, {account(kAlice), false}, "mine");
  EXPECT_TRUE(scene.pool.queue.empty());
  EXPECT_FALSE(acknowledge_cancelled(scene.pool, "another"));
  EXPECT_TRUE(acknowledge_cancelled(scene.pool, "mine"));
  EXPECT_FALSE(acknowledge_cancelled(scene.pool, "mine"));
}

TEST(AcknowledgeCancelled, KeepsNothingOfAWaiterThatCannotNoticeAnyMore) {
  Scene scene(3);
  scene.ask({.id = "dead", .pid = 20});
  scene.ask({.id = "stopped", .pid = 21});
  cancel(scene.pool, {account(kAlice), false}, "dead");
  cancel(scene.pool, {account(kAlice), false}, "stopped");
  scene.liveness.set(20, Liveness::Gone);
  scene.liveness.set(21, Liveness::Stopped);
  drop_gone_waiters(scene.pool, scene.given());
  EXPECT_FALSE(acknowledge_cancelled(scene.pool, "dead"));
  EXPECT_TRUE(acknowledge_cancelled(scene.pool, "stopped"));
}

TEST(GiveBack, PutsTheRequestBackIntoItsOldPlace) {
  Scene scene(1);
  scene.hold({.id = "bobs", .uid = kBob});
  scene.ask({.id = "first"});
  scene.ask({.id = "second"});
  scene.ask({.id = "third"});
  const Pool before = scene.pool;
  const Request second = *find_request(scene.pool, "second");
  std::erase_if(scene.pool.queue, [](const Request& one) { return one.id == "second"; });
  scene.hold({.id = "second", .gpus = {}});
  return_to_queue(scene.pool, second);
  scene.pool.events.clear();
  EXPECT_EQ(scene.pool, before);
}

TEST(GiveBack, PutsTheLastAtTheEnd) {
  Scene scene(1);
  scene.ask({.id = "first"});
  scene.ask({.id = "last"});
  const Request last = *find_request(scene.pool, "last");
  scene.pool.queue.pop_back();
  return_to_queue(scene.pool, last);
  EXPECT_EQ(scene.waiting(), (Ids{"first", "last"}));
}

TEST(GiveBack, IsServedBeforeThoseThatCameLater) {
  Scene scene(1);
  scene.ask({.id = "first"});
  const Request first = scene.pool.queue.front();
  scene.schedule();
  scene.ask({.id = "second"});
  return_to_queue(scene.pool, first);
  EXPECT_EQ(scene.schedule(), (Ids{"first"}));
  EXPECT_TRUE(usage_of(scene.pool.events).empty());
}

TEST(GiveBack, StaysBehindWhatWasAskedForBeforeARebootThatSetTheWallClockBack) {
  Scene scene(1);
  scene.ask({.id = "before"});
  scene.clock.reboot();
  scene.clock.step_wall(-hours(2));
  scene.ask({.id = "mine"});
  const Request mine = *find_request(scene.pool, "mine");
  scene.ask({.id = "later"});
  std::erase_if(scene.pool.queue, [](const Request& one) { return one.id == "mine"; });
  return_to_queue(scene.pool, mine);
  EXPECT_EQ(scene.waiting(), (Ids{"before", "mine", "later"}));
}

TEST(NextStep, FollowsFromWhatThePoolSaysOfTheRequest) {
  Scene scene(1);
  scene.ask({.id = "mine"});
  EXPECT_EQ(next_step(scene.pool, "mine", false), WaiterStep::Wait);
  scene.pool.queue.front().passed_over = true;
  EXPECT_EQ(next_step(scene.pool, "mine", false), WaiterStep::Answer);
  scene.pool.queue.clear();
  EXPECT_EQ(next_step(scene.pool, "mine", false), WaiterStep::ComeBack);
  scene.hold({.id = "mine"});
  EXPECT_EQ(next_step(scene.pool, "mine", false), WaiterStep::Check);
}

TEST(NextStep, IsNeverToWaitForWhoDoesNotWait) {
  Scene scene(1);
  scene.ask({.id = "mine"});
  EXPECT_EQ(next_step(scene.pool, "mine", true), WaiterStep::Leave);
  scene.pool.queue.clear();
  EXPECT_EQ(next_step(scene.pool, "mine", true), WaiterStep::GiveUp);
  scene.hold({.id = "mine"});
  EXPECT_EQ(next_step(scene.pool, "mine", true), WaiterStep::Check);
}

TEST(TimeOut, EndsTheRunInNobodysNameWhoeverWasEndingIt) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 10, .supervisor = 11});
  Reservation& run = scene.pool.reservations.front();
  run.ending = EndReason::Killed;
  run.ending_by = account(kBob);
  time_out(run);
  EXPECT_EQ(run.ending, EndReason::TimedOut);
  EXPECT_EQ(run.ending_by, std::nullopt);
}

// Alice's request was granted the one GPU, and bob waits for it.
class PassOn : public ::testing::Test {
 protected:
  PassOn() {
    scene_.ask({.id = "alices", .pid = 5});
    scene_.schedule();
    scene_.clock.advance(std::chrono::seconds(1));
    scene_.ask({.id = "bobs", .uid = kBob});
  }

  // An update, as much later.
  void update(Duration later) {
    scene_.clock.advance(later);
    bring_up_to_date(scene_.pool, scene_.given());
    scene_.schedule();
  }

  const Reservation& granted() const { return scene_.pool.reservations.front(); }

  Scene scene_{1};
};

TEST_F(PassOn, GivesTheNextWhatAStoppedWaiterDoesNotTake) {
  scene_.liveness.set(5, Liveness::Stopped);
  update(std::chrono::milliseconds(8999));
  EXPECT_EQ(granted().id, "alices");
  EXPECT_EQ(time_to_pass_on(granted(), scene_.now()), std::chrono::milliseconds(1));
  update(std::chrono::milliseconds(1));
  EXPECT_EQ(granted().id, "bobs");
  EXPECT_EQ(scene_.waiting(), Ids{"alices"}) << "it keeps its place";
  EXPECT_TRUE(scene_.pool.queue.front().passed_over);
  EXPECT_TRUE(usage_of(scene_.pool.events).empty());
}

TEST_F(PassOn, LeavesOneThatIsBusyMoreTime) {
  for (const Liveness state : {Liveness::Alive, Liveness::Unseen}) {
    SCOPED_TRACE(static_cast<int>(state));
    Scene before = scene_;
    scene_.liveness.set(5, state);
    update(std::chrono::seconds(58));
    EXPECT_EQ(granted().id, "alices");
    update(std::chrono::seconds(1));
    EXPECT_EQ(granted().id, "bobs");
    scene_ = before;
  }
}

TEST_F(PassOn, LeavesWhatWasTaken) {
  scene_.liveness.set(5, Liveness::Stopped);
  begin_run(scene_.pool, "alices", process(6), scene_.now());
  update(hours(1));
  EXPECT_EQ(granted().id, "alices");
  EXPECT_EQ(time_to_pass_on(granted(), scene_.now()), std::nullopt);
}

TEST_F(PassOn, HoldsNothingForOneThatWasPassedOverAndSaysWhy) {
  scene_.liveness.set(5, Liveness::Stopped);
  update(minutes(1));
  discard(scene_.pool, "bobs");
  scene_.ask({.id = "carols", .uid = kCarol});
  const Decision decision = scene_.decision("alices");
  EXPECT_EQ(decision.position, 1);
  EXPECT_EQ(decision.held, Gpus{});
  EXPECT_TRUE(decision.reason.passed_over);
  EXPECT_EQ(scene_.schedule(), Ids{"carols"});
}

TEST_F(PassOn, ServesItInItsOldPlaceAfterASignOfLife) {
  scene_.liveness.set(5, Liveness::Stopped);
  update(minutes(1));
  discard(scene_.pool, "bobs");
  scene_.ask({.id = "carols", .uid = kCarol});
  beat(scene_.pool, "alices", scene_.now());
  EXPECT_FALSE(scene_.decision("alices").reason.passed_over);
  EXPECT_EQ(scene_.schedule(), Ids{"alices"});
}

TEST_F(PassOn, EndsWithOneThatComesBackByItself) {
  scene_.liveness.set(5, Liveness::Stopped);
  update(minutes(1));
  Request alices = scene_.pool.queue.front();
  join(scene_.pool, alices, scene_.now());
  EXPECT_FALSE(scene_.pool.queue.front().passed_over);
}

TEST(Claim, LetsAManualReservationLiveByItsExpiryFromNowOn) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 5});
  scene.clock.advance(minutes(10));
  EXPECT_TRUE(claim(scene.pool, "m", hours(1), scene.now()));
  const Reservation& reservation = *find_reservation(scene.pool, "m");
  EXPECT_EQ(reservation.holder, std::nullopt);
  EXPECT_EQ(reservation.ends, scene.now().wall + hours(1));
  scene.liveness.set(5, Liveness::Gone);
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
}

// Found by tests/sim: it was lost.
TEST(Claim, KeepsAnExtensionThatCameBeforeIt) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 5});
  extend(scene.pool, {account(kAlice), false}, {0}, hours(2));
  scene.clock.advance(minutes(10));
  EXPECT_TRUE(claim(scene.pool, "m", hours(1), scene.now()));
  EXPECT_EQ(find_reservation(scene.pool, "m")->ends, scene.now().wall + hours(3));
}

// Found by tests/sim: by a clock that was ahead again it expired at once, since that of whoever
// granted it had been ahead.
TEST(Claim, CountsFromTheClockOfItsOwner) {
  Scene scene(1);
  scene.clock.step_wall(hours(10));
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 5});
  scene.clock.step_wall(-hours(10));
  scene.clock.advance(minutes(1));
  EXPECT_TRUE(claim(scene.pool, "m", hours(1), scene.now()));
  EXPECT_EQ(find_reservation(scene.pool, "m")->started.wall, scene.now().wall - minutes(1));
  scene.clock.step_wall(hours(10));
  scene.clock.advance(hours(1) - seconds(1));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

TEST(Claim, FailsWhenTheReservationIsGone) {
  Scene scene(1);
  scene.hold({.id = "other", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  const Pool before = scene.pool;
  EXPECT_FALSE(claim(scene.pool, "m", hours(1), scene.now()));
  EXPECT_EQ(scene.pool, before);
}

// One GPU, granted to a request of alice's for an hour by hand.
class ClaimOnArrival : public ::testing::Test {
 protected:
  ClaimOnArrival() {
    scene_.ask({.id = "mine", .kind = ReservationKind::Manual, .duration = hours(1)});
    request_ = scene_.pool.queue.front();
    scene_.schedule();
  }

  bool claims(const Observation* observation) {
    return claim_on_arrival(scene_.pool, request_, scene_.given(observation));
  }

  Scene scene_{1};
  Request request_;
};

TEST_F(ClaimOnArrival, TakesWhatIsSeenToBeFree) {
  const Observation seen = scene_.observation({reading(0)});
  EXPECT_TRUE(claims(&seen));
  EXPECT_FALSE(find_reservation(scene_.pool, "mine")->holder);
  EXPECT_FALSE(claims(&seen)) << "it is claimed already";
}

TEST_F(ClaimOnArrival, LeavesWhatNobodyHasLookedAt) {
  EXPECT_FALSE(claims(nullptr));
  const Observation elsewhere = scene_.observation({});
  EXPECT_FALSE(claims(&elsewhere));
}

TEST_F(ClaimOnArrival, LeavesWhatSomebodyUses) {
  const Pool before = scene_.pool;
  const Observation seen = scene_.observation({reading(0, {{.uid = kBob}})});
  EXPECT_FALSE(claims(&seen));
  EXPECT_EQ(scene_.pool, before);
}

TEST_F(ClaimOnArrival, LeavesARunToItsSupervisor) {
  scene_.pool.reservations.front().kind = ReservationKind::Run;
  const Observation seen = scene_.observation({reading(0)});
  EXPECT_FALSE(claims(&seen));
}

}  // namespace
}  // namespace chg
