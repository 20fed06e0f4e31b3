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

Request unasked(Scene& scene, const Ask& special) {
  Request made = scene.request(special);
  made.enqueued = made.last_heartbeat = {};
  return made;
}

TEST(Join, PutsANewRequestAtTheEndAndFillsInWhenAndWhere) {
  Scene scene(1);
  scene.ask({.id = "first"});
  Request mine = unasked(scene, {.id = "mine"});
  join(scene.pool, mine, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"first", "mine"}));
  EXPECT_EQ(mine.enqueued, scene.now());
  EXPECT_EQ(mine.arrival, 2U);
  EXPECT_EQ(scene.pool.queue.back(), mine);
}

TEST(Join, PutsARequestThatHasWaitedBeforeInItsPlace) {
  Scene scene(1);
  Request mine = scene.request({.id = "mine"});
  scene.clock.advance(minutes(1));
  scene.ask({.id = "later"});
  join(scene.pool, mine, scene.now());
  EXPECT_EQ(scene.waiting(), (Ids{"mine", "later"}));
  EXPECT_EQ(mine.last_heartbeat, scene.now());
}

TEST(Join, ChangesNothingWhenAnEarlierAttemptWasCarriedOut) {
  Scene scene(1);
  Request waits = unasked(scene, {.id = "waits"});
  join(scene.pool, waits, scene.now());
  scene.hold({.id = "granted"});
  Request granted = unasked(scene, {.id = "granted"});
  const Pool before = scene.pool;
  scene.clock.advance(minutes(1));
  join(scene.pool, waits, scene.now());
  join(scene.pool, granted, scene.now());
  EXPECT_EQ(scene.pool, before);
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

TEST(Requeue, PutsARequestBackToItsPlace) {
  Scene scene(3);
  const Request first = scene.request({.id = "first"});
  scene.clock.advance(minutes(1));
  const Request second = scene.request({.id = "second"});
  scene.clock.advance(minutes(1));
  scene.ask({.id = "new"});
  requeue(scene.pool, second);
  requeue(scene.pool, first);
  EXPECT_EQ(scene.waiting(), (Ids{"first", "second", "new"}));
  for (std::size_t i = 1; i < scene.pool.queue.size(); ++i) {
    EXPECT_LT(scene.pool.queue[i - 1].arrival, scene.pool.queue[i].arrival);
  }
  EXPECT_LT(scene.pool.queue.back().arrival, scene.pool.next_arrival);
  EXPECT_EQ(scene.pool.queue.front().enqueued, first.enqueued);
}

TEST(Requeue, PutsTheLatestRequestToTheEnd) {
  Scene scene(3);
  scene.ask({.id = "earlier"});
  scene.clock.advance(minutes(1));
  requeue(scene.pool, scene.request({.id = "later"}));
  EXPECT_EQ(scene.waiting(), (Ids{"earlier", "later"}));
  EXPECT_EQ(scene.pool.queue.front().arrival, 1U) << "the others keep their numbers";
}

TEST(Requeue, RefusesWhatAPoolThatIsSmallerNowCanNeverGrant) {
  Scene scene(3);
  expect_error(ErrorKind::Usage, "",
               [&] { requeue(scene.pool, scene.request({.id = "big", .count = 4})); });
}

TEST(AcknowledgeCancelled, TellsAWaiterOnceThatItWasCancelled) {
  Scene scene(3);
  scene.ask({.id = "mine"});
  cancel(scene.pool, {kAlice, false}, "mine");
  EXPECT_TRUE(scene.pool.queue.empty());
  EXPECT_FALSE(acknowledge_cancelled(scene.pool, "another"));
  EXPECT_TRUE(acknowledge_cancelled(scene.pool, "mine"));
  EXPECT_FALSE(acknowledge_cancelled(scene.pool, "mine"));
}

TEST(AcknowledgeCancelled, KeepsNothingOfAWaiterThatCannotNoticeAnyMore) {
  Scene scene(3);
  scene.ask({.id = "dead", .pid = 20});
  scene.ask({.id = "stopped", .pid = 21});
  cancel(scene.pool, {kAlice, false}, "dead");
  cancel(scene.pool, {kAlice, false}, "stopped");
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

// The numbers of arrival are those of another pool, which the store has lost, and tell nothing.
TEST(GiveBack, GoesByWhenTheRequestWasMadeWhereNumbersOfArrivalTellNothing) {
  for (const std::uint64_t arrival : {1U, 3U, 40U}) {
    Scene scene(1);
    const Request first = scene.request({.id = "first"});
    scene.clock.advance(minutes(1));
    Request mine = scene.request({.id = "mine"});
    mine.arrival = arrival;
    scene.clock.advance(minutes(1));
    scene.pool.next_arrival = 3;
    scene.ask({.id = "new"});
    requeue(scene.pool, first);
    return_to_queue(scene.pool, mine);
    EXPECT_EQ(scene.waiting(), (Ids{"first", "mine", "new"})) << arrival;
    for (std::size_t i = 1; i < scene.pool.queue.size(); ++i) {
      EXPECT_LT(scene.pool.queue[i - 1].arrival, scene.pool.queue[i].arrival) << arrival;
    }
    EXPECT_LT(scene.pool.queue.back().arrival, scene.pool.next_arrival) << arrival;
  }
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
  extend(scene.pool, {kAlice, false}, {0}, hours(2));
  scene.clock.advance(minutes(10));
  EXPECT_TRUE(claim(scene.pool, "m", hours(1), scene.now()));
  EXPECT_EQ(find_reservation(scene.pool, "m")->ends, scene.now().wall + hours(3));
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
