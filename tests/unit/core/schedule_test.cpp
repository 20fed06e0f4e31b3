// Rules 1-6 and 12: who gets which GPUs, and who waits.
#include "core/schedule.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Rule 1: all or nothing.

TEST(Schedule, GrantsAllAtOneInstantOrNone) {
  Scene scene(4);
  scene.hold({.id = "bobs", .uid = kBob, .gpus = {0, 1}});
  scene.ask({.id = "three", .count = 3});
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.gpus_of("three"), Gpus{});
  EXPECT_EQ(scene.pool.reservations.size(), 1U);

  scene.clock.advance(minutes(5));
  scene.end("bobs");
  EXPECT_EQ(scene.schedule(), (Ids{"three"}));
  EXPECT_EQ(scene.gpus_of("three"), (Gpus{0, 2, 3}));  // 1 was released as late as 0
  EXPECT_EQ(find_reservation(scene.pool, "three")->started, scene.now());
}

TEST(Schedule, GrantsNoMoreThanAskedFor) {
  Scene scene(8);
  scene.ask({.id = "two", .count = 2});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("two").size(), 2U);
}

TEST(Schedule, GrantsTheNamedGpus) {
  Scene scene(8);
  scene.ask({.id = "named", .gpu_ids = {2, 5}});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("named"), (Gpus{2, 5}));
}

TEST(Schedule, GrantsNoOtherThanTheNamedGpus) {
  Scene scene(8);
  scene.hold({.gpus = {5}});
  scene.ask({.id = "named", .gpu_ids = {2, 5}});
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.waiting(), (Ids{"named"}));
}

TEST(Schedule, GrantsNoGpuThatIsReserved) {
  Scene scene(2);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "one"});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("one"), Gpus{1});
}

TEST(Schedule, GrantedRequestLeavesTheQueueAndKeepsWhatItSaid) {
  Scene scene(2);
  scene.ask({.id = "mine",
             .uid = kBob,
             .label = "ann",
             .note = "training",
             .kind = ReservationKind::Manual,
             .count = 2,
             .duration = hours(3),
             .pid = 77});
  const Request request = scene.pool.queue.front();
  scene.clock.advance(minutes(1));
  EXPECT_EQ(scene.schedule(), (Ids{"mine"}));
  EXPECT_EQ(scene.waiting(), Ids{});
  Reservation expected;
  expected.id = "mine";
  expected.grant = scene.serial;
  expected.account = account(kBob);
  expected.label = "ann";
  expected.note = "training";
  expected.kind = ReservationKind::Manual;
  expected.gpus = {0, 1};
  expected.started = expected.last_heartbeat = scene.now();
  expected.ends = scene.now().wall + hours(3);
  expected.holder = process(77);
  expected.request = request;
  EXPECT_EQ(scene.pool.reservations, std::vector{expected});
}

TEST(Schedule, RunWithoutTimeoutHasNoEnd) {
  Scene scene(1);
  scene.ask({.id = "run"});
  scene.schedule();
  EXPECT_EQ(find_reservation(scene.pool, "run")->ends, std::nullopt);
}

// Rules 2 and 3: order of arrival, and what a waiter holds.

TEST(Schedule, EnqueueNumbersTheArrivals) {
  Scene scene(1);
  const std::uint64_t now_us = 1'795'525'200'000'000;
  scene.ask({.id = "a"});
  scene.ask({.id = "b"});
  EXPECT_EQ(find_request(scene.pool, "a")->arrival, now_us);
  EXPECT_EQ(find_request(scene.pool, "b")->arrival, now_us + 1);
  scene.clock.advance(minutes(1));
  scene.ask({.id = "c"});
  EXPECT_EQ(find_request(scene.pool, "c")->arrival, now_us + 60'000'000);
  EXPECT_EQ(scene.pool.next_arrival, now_us + 60'000'001);
}

TEST(Schedule, ServesInOrderOfArrival) {
  Scene scene(2);
  scene.ask({.id = "first"});
  scene.ask({.id = "second"});
  scene.ask({.id = "third"});
  EXPECT_EQ(scene.schedule(), (Ids{"first", "second"}));
  EXPECT_EQ(scene.waiting(), (Ids{"third"}));
}

TEST(Schedule, GrantsNothingBeforeItIsCalled) {
  Scene scene(2);
  scene.ask({.id = "first"});
  EXPECT_EQ(scene.gpus_of("first"), Gpus{});
  EXPECT_EQ(scene.waiting(), (Ids{"first"}));
}

TEST(Schedule, SmallRequestDoesNotOvertakeABigOneOnTheGpusThatItCouldUse) {
  Scene scene(4);
  scene.hold({.id = "bobs", .uid = kBob, .gpus = {0}});
  scene.ask({.id = "four", .count = 4});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.schedule(), Ids{});
  scene.end("bobs");
  EXPECT_EQ(scene.schedule(), (Ids{"four"}));
}

TEST(Schedule, BigRequestIsNotStarvedByAStreamOfSmallOnes) {
  Scene scene(3);
  scene.hold({.id = "a", .uid = kBob, .gpus = {0}});
  scene.hold({.id = "b", .uid = kBob, .gpus = {1}});
  scene.hold({.id = "c", .uid = kBob, .gpus = {2}});
  scene.ask({.id = "big", .count = 3});
  for (const std::string ended : {"a", "b", "c"}) {
    scene.ask({.id = "small-" + ended, .uid = kBob});
    scene.end(ended);
    scene.schedule();
  }
  EXPECT_EQ(scene.gpus_of("big"), (Gpus{0, 1, 2}));
  EXPECT_EQ(scene.waiting(), (Ids{"small-a", "small-b", "small-c"}));
}

TEST(Schedule, WaiterForOneNamedGpuDoesNotBlockTheOthers) {
  Scene scene(8);
  scene.hold({.gpus = {7}});
  scene.ask({.id = "seven", .gpu_ids = {7}});
  scene.ask({.id = "any", .count = 7});
  EXPECT_EQ(scene.schedule(), (Ids{"any"}));
  EXPECT_EQ(scene.gpus_of("any"), (Gpus{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Schedule, NamedRequestHoldsThoseOfItsGpusThatAreFree) {
  Scene scene(3);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "named", .gpu_ids = {0, 1}});
  scene.ask({.id = "one", .gpu_ids = {1}});
  scene.ask({.id = "other", .gpu_ids = {2}});
  EXPECT_EQ(scene.schedule(), (Ids{"other"}));
  EXPECT_EQ(scene.waiting(), (Ids{"named", "one"}));
}

TEST(Schedule, CountRequestThatDoesNotFitHoldsAgainstNamedOnes) {
  Scene scene(3);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "three", .count = 3});
  scene.ask({.id = "named", .gpu_ids = {2}});
  EXPECT_EQ(scene.schedule(), Ids{});
}

TEST(Schedule, CountRequestThatFitsLeavesTheRestToOthers) {
  Scene scene(3);
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.schedule(), (Ids{"two", "one"}));
}

TEST(Schedule, LaterRequestsChooseFromWhatEarlierOnesLeave) {
  Scene scene(4);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "zero", .gpu_ids = {0, 1}});
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "late"});
  EXPECT_EQ(scene.schedule(), (Ids{"two"}));
  EXPECT_EQ(scene.gpus_of("two"), (Gpus{2, 3}));
}

// Rule 4.

TEST(Schedule, HeldGpusStayWithoutReservation) {
  Scene scene(2);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "two", .count = 2});
  scene.schedule();
  EXPECT_EQ(reservation_of(scene.pool, 1), nullptr);
  EXPECT_EQ(scene.decision("two").held, Gpus{1});
}

TEST(Schedule, GrantedGpusAreHeldForNobody) {
  Scene scene(2);
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "late"});
  scene.schedule();
  EXPECT_EQ(scene.decision("late").held, Gpus{});
}

// What is not to be had.

TEST(Schedule, GrantsNoGpuOutOfService) {
  Scene scene(2);
  scene.gpu(0).out_of_service = "fan";
  scene.ask({.id = "one"});
  scene.ask({.id = "zero", .gpu_ids = {0}});
  EXPECT_EQ(scene.schedule(), (Ids{"one"}));
  EXPECT_EQ(scene.gpus_of("one"), Gpus{1});
}

TEST(Schedule, GrantsADrainedGpuAgainWhenItIsBack) {
  Scene scene(1);
  scene.gpu(0).out_of_service = "";  // drained without a note
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.schedule(), Ids{});
  scene.gpu(0).out_of_service.reset();
  EXPECT_EQ(scene.schedule(), (Ids{"one"}));
}

TEST(Schedule, NothingIsHeldOfADrainedGpu) {
  Scene scene(2);
  scene.gpu(0).out_of_service = "fan";
  scene.ask({.id = "two", .count = 2});
  scene.schedule();
  EXPECT_EQ(scene.decision("two").held, Gpus{1});
}

TEST(Schedule, GrantsNoGpuInUnreservedUseOrInError) {
  Scene scene(3);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.gpu(1).unavailable = broken();
  scene.ask({.id = "one"});
  scene.ask({.id = "two"});
  EXPECT_EQ(scene.schedule(), (Ids{"one"}));
  EXPECT_EQ(scene.gpus_of("one"), Gpus{2});
}

TEST(Schedule, GrantClearsUnavailable) {
  Scene scene(1);
  scene.gpu(0).unavailable = use_by({kAlice});
  scene.ask({.id = "force", .force = true});
  scene.schedule();
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt);
}

TEST(Schedule, ForceTakesWhatOnlyItsOwnAccountUses) {
  Scene scene(1);
  scene.gpu(0).unavailable = use_by({kAlice});
  scene.ask({.id = "force", .uid = kAlice, .force = true});
  EXPECT_EQ(scene.schedule(), (Ids{"force"}));
}

TEST(Schedule, OwnUseKeepsAGpuUnavailableWithoutForce) {
  Scene scene(1);
  scene.gpu(0).unavailable = use_by({kAlice});
  scene.ask({.id = "polite", .uid = kAlice});
  EXPECT_EQ(scene.schedule(), Ids{});
}

TEST(Schedule, ForceTakesNothingThatOthersUseToo) {
  Scene scene(4);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.gpu(1).unavailable = use_by({kAlice, kBob});
  scene.gpu(2).unavailable = use_by({});  // somebody whom nobody knows
  scene.gpu(3).unavailable = broken();
  scene.ask({.id = "force", .uid = kAlice, .force = true});
  EXPECT_EQ(scene.schedule(), Ids{});
}

TEST(Schedule, ForceTakesNoErrorThoughItNamesItsAccount) {
  Scene scene(1);
  scene.gpu(0).unavailable = broken();
  scene.gpu(0).unavailable->uids = {kAlice};
  scene.ask({.id = "force", .uid = kAlice, .force = true});
  EXPECT_EQ(scene.schedule(), Ids{});
}

TEST(Schedule, ForcedRequestIsFoundBehindOthersThatFindNothing) {
  Scene scene(1);
  scene.gpu(0).unavailable = use_by({kAlice});
  scene.ask({.id = "polite", .uid = kAlice});
  scene.ask({.id = "force", .uid = kAlice, .force = true});
  EXPECT_EQ(scene.schedule(), (Ids{"force"}));
  EXPECT_EQ(scene.waiting(), (Ids{"polite"}));
}

// Rule 5: which GPUs.

Instant released_at(const Scene& scene, Duration ago) { return scene.ago(ago); }

TEST(LeastRecentlyUsed, TakesTheOneReleasedLongestAgo) {
  Scene scene(3);
  scene.gpu(0).last_released = released_at(scene, hours(1));
  scene.gpu(1).last_released = released_at(scene, hours(3));
  scene.gpu(2).last_released = released_at(scene, hours(2));
  scene.ask({.id = "two", .count = 2});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("two"), (Gpus{1, 2}));
}

TEST(LeastRecentlyUsed, TakesNeverUsedOnesFirstOfAll) {
  Scene scene(3);
  scene.gpu(0).last_released = Instant{WallTime(-hours(1)), {}, ""};
  scene.gpu(1).last_released = released_at(scene, hours(300));
  scene.ask({.id = "one"});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("one"), Gpus{2});
}

TEST(LeastRecentlyUsed, BreaksTiesByIndex) {
  Scene scene(3);
  for (Gpu& gpu : scene.pool.gpus) gpu.last_released = released_at(scene, hours(1));
  scene.ask({.id = "two", .count = 2});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("two"), (Gpus{0, 1}));
}

TEST(LeastRecentlyUsed, DoesNotCareWhoUsedIt) {
  Scene scene(2);
  scene.gpu(0).last_released = released_at(scene, hours(1));
  scene.gpu(0).last_used_by_uid = {{kAlice, scene.now().wall}};
  scene.gpu(1).last_released = released_at(scene, hours(2));
  EXPECT_EQ(in_order_of_preference(scene.pool, {0, 1}, kAlice, AllocationPolicy::LeastRecentlyUsed),
            (Gpus{1, 0}));
}

TEST(LeastRecentlyUsed, GoesRoundAllGpus) {
  Scene scene(3);
  Gpus used;
  for (int i = 0; i < 6; ++i) {
    scene.clock.advance(minutes(1));
    scene.ask({.id = "r"});
    scene.schedule();
    used.push_back(scene.gpus_of("r").front());
    scene.clock.advance(minutes(1));
    scene.end("r");
  }
  EXPECT_EQ(used, (Gpus{0, 1, 2, 0, 1, 2}));
}

TEST(MostRecentlyPerUser, TakesTheUsersOwnMostRecentFirstThenLru) {
  Scene scene(5);
  const WallTime now = scene.now().wall;
  scene.gpu(0).last_used_by_uid = {{kAlice, now - hours(5)}};
  scene.gpu(0).last_released = released_at(scene, hours(1));
  scene.gpu(1).last_used_by_uid = {{kBob, now - minutes(1)}};
  scene.gpu(1).last_released = released_at(scene, minutes(1));
  scene.gpu(2).last_used_by_uid = {{kAlice, now - hours(4)}};
  scene.gpu(2).last_released = released_at(scene, hours(4));
  scene.gpu(3).last_released = released_at(scene, hours(9));
  EXPECT_EQ(in_order_of_preference(scene.pool, {0, 1, 2, 3, 4}, kAlice,
                                   AllocationPolicy::MostRecentlyPerUser),
            (Gpus{2, 0, 4, 3, 1}));
}

TEST(MostRecentlyPerUser, IsLruForANewcomer) {
  Scene scene(2);
  scene.gpu(0).last_used_by_uid = {{kAlice, scene.now().wall}};
  scene.gpu(0).last_released = released_at(scene, hours(1));
  EXPECT_EQ(
      in_order_of_preference(scene.pool, {0, 1}, kCarol, AllocationPolicy::MostRecentlyPerUser),
      (Gpus{1, 0}));
}

TEST(MostRecentlyPerUser, IsFollowedByScheduleWhereItIsSet) {
  Scene scene(3);
  scene.pool.policy.allocation = AllocationPolicy::MostRecentlyPerUser;
  scene.ask({.id = "first", .gpu_ids = {2}});
  scene.schedule();
  scene.clock.advance(hours(1));
  scene.end("first");
  scene.ask({.id = "again"});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("again"), Gpus{2});
}

// Rule 6: refusals.

TEST(Enqueue, RefusesMoreGpusThanThePoolHas) {
  Scene scene(4);
  expect_error(ErrorKind::Usage, "5 GPUs can never be granted: this host has 4 (0-3)",
               [&] { scene.ask({.count = 5}); });
}

TEST(Enqueue, RefusesAnUnknownId) {
  Scene scene(4);
  expect_error(ErrorKind::Usage, "unknown GPU '4': this host has 4 (0-3)", [&] {
    scene.ask({.gpu_ids = {0, 4}});
  });
}

TEST(Enqueue, RefusesAnythingFromAPoolWithoutGpus) {
  Scene scene(0);
  expect_error(ErrorKind::Usage, "this host has none", [&] { scene.ask({.count = 1}); });
}

TEST(Enqueue, RefusedRequestLeavesThePoolAsItWas) {
  Scene scene(4);
  const Pool before = scene.pool;
  error_of([&] { scene.ask({.count = 5}); });
  error_of([&] { scene.ask({.gpu_ids = {9}}); });
  EXPECT_EQ(scene.pool, before);
}

TEST(Enqueue, TakesTheWholePool) {
  Scene scene(4);
  scene.ask({.id = "all", .count = 4});
  EXPECT_EQ(scene.schedule(), (Ids{"all"}));
}

TEST(Enqueue, TakesWhatIsOnlyDrainedForNow) {
  Scene scene(1);
  scene.gpu(0).out_of_service = "fan";
  scene.ask({.id = "patient"});
  EXPECT_EQ(scene.waiting(), (Ids{"patient"}));
}

// The rest of rule 6 (a count of none, a count that contradicts the ids, a repeated id): nothing
// that a caller passes may become a reservation of no GPU, or one that has a GPU twice.

TEST(Enqueue, RefusesACountOfNone) {
  Scene scene(4);
  expect_error(ErrorKind::Usage, "", [&] { scene.ask({.count = 0}); });
}

TEST(Enqueue, RefusesACountThatContradictsTheIds) {
  Scene scene(4);
  Request contradictory = scene.request({.gpu_ids = {1, 2}});
  contradictory.count = 1;
  expect_error(ErrorKind::Usage, "", [&] { enqueue(scene.pool, contradictory); });
}

TEST(Enqueue, RefusesARepeatedId) {
  Scene scene(4);
  expect_error(ErrorKind::Usage, "", [&] { scene.ask({.gpu_ids = {1, 1}}); });
}

// Rule 12: waiters that are gone.

TEST(Schedule, DeadWaiterAtTheHeadDelaysNobody) {
  Scene scene(2);
  scene.hold({.id = "bobs", .gpus = {0}});
  scene.ask({.id = "dead", .count = 2, .pid = 50});
  scene.ask({.id = "alive"});
  scene.liveness.set(50, Liveness::Gone);
  EXPECT_EQ(scene.schedule(), (Ids{"alive"}));
  EXPECT_EQ(find_request(scene.pool, "dead"), nullptr);
}

TEST(Schedule, DeadWaiterIsNotGranted) {
  Scene scene(2);
  scene.ask({.id = "dead", .pid = 50});
  scene.liveness.set(50, Liveness::Gone);
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.pool.reservations.size(), 0U);
  EXPECT_EQ(scene.waiting(), Ids{});
}

TEST(Schedule, StoppedWaiterKeepsItsPlace) {
  Scene scene(2);
  scene.hold({.id = "bobs", .gpus = {0}});
  scene.ask({.id = "stopped", .count = 2, .pid = 50});
  scene.ask({.id = "next"});
  scene.liveness.set(50, Liveness::Stopped);
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.waiting(), (Ids{"stopped", "next"}));
}

TEST(Schedule, WaiterOutOfSightIsDroppedWhenItsHeartbeatIsOld) {
  Scene scene(1);
  scene.ask({.id = "far", .pid = 50});
  scene.liveness.set(50, Liveness::Unseen);
  scene.clock.advance(minutes(5) + seconds(1));
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.waiting(), Ids{});
}

TEST(Schedule, WaiterOutOfSightIsGrantedWhileItsHeartbeatIsFresh) {
  Scene scene(1);
  scene.ask({.id = "far", .pid = 50});
  scene.liveness.set(50, Liveness::Unseen);
  scene.clock.advance(minutes(5));
  EXPECT_EQ(scene.schedule(), (Ids{"far"}));
}

TEST(Schedule, OldHeartbeatOfAWaiterThatIsSeenToLiveDoesNotMatter) {
  Scene scene(1);
  scene.ask({.id = "silent", .pid = 50});
  scene.clock.advance(hours(48));
  EXPECT_EQ(scene.schedule(), (Ids{"silent"}));
}

TEST(Schedule, AsksNobodysLivenessWhereNothingIsToBeHad) {
  Scene scene(1);
  scene.hold({.gpus = {0}});
  for (int i = 0; i < 100; ++i) scene.ask({.id = "r" + std::to_string(i)});
  int asked = 0;
  const auto count = [&](const ProcessIdentity&) {
    ++asked;
    return Liveness::Alive;
  };
  schedule(scene.pool, {scene.now(), count});
  EXPECT_EQ(asked, 0);
}

// Size.

TEST(Schedule, ServesTenThousandWaitersOnAThousandGpus) {
  constexpr int kGpuCount = 1024;
  constexpr int kWaiters = 10'000;
  Scene scene(kGpuCount);
  int left = kGpuCount;
  Ids expected;
  for (int i = 0; i < kWaiters; ++i) {
    const Ask ask{.id = "r" + std::to_string(i), .count = 1 + i % 7};
    scene.ask(ask);
    // The first that does not fit holds all that is left.
    if (ask.count <= left) {
      left -= ask.count;
      expected.push_back(ask.id);
    } else {
      left = 0;
    }
  }
  EXPECT_EQ(scene.schedule(), expected);
  EXPECT_EQ(scene.pool.queue.size(), kWaiters - expected.size());
  EXPECT_EQ(scene.pool.queue.front().id, "r" + std::to_string(expected.size()));
  int next = 0;
  for (const Reservation& reservation : scene.pool.reservations) {
    for (const int gpu : reservation.gpus) EXPECT_EQ(gpu, next++);
  }
}

TEST(Schedule, ServesTheLastOfTenThousandWhenOnlyHisGpuIsFree) {
  Scene scene(1024);
  Gpus others;
  for (int gpu = 0; gpu < 1023; ++gpu) others.push_back(gpu);
  scene.hold({.gpus = others});
  for (int i = 0; i < 10'000; ++i) {
    scene.ask({.id = "r" + std::to_string(i), .gpu_ids = {i % 1023}});
  }
  scene.ask({.id = "last", .gpu_ids = {1023}});
  EXPECT_EQ(scene.schedule(), (Ids{"last"}));
  EXPECT_EQ(scene.pool.queue.size(), 10'000U);
}

}  // namespace
}  // namespace chg
