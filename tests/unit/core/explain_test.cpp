// Rule 7: what a waiter is told. Position, reason, and an estimate where the ends are known.
#include <gtest/gtest.h>

#include "core/schedule.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(Explain, CountsPositionsFromTheHead) {
  Scene scene(1);
  scene.hold({});
  scene.ask({.id = "first"});
  scene.ask({.id = "second"});
  EXPECT_EQ(scene.decision("first").position, 1);
  EXPECT_EQ(scene.decision("second").position, 2);
}

TEST(Explain, SaysNothingOfWhoDoesNotWait) {
  Scene scene(1);
  scene.hold({.id = "granted"});
  EXPECT_EQ(explain(scene.pool, "granted", scene.now()), std::nullopt);
  EXPECT_EQ(explain(scene.pool, "unknown", scene.now()), std::nullopt);
}

TEST(Explain, SaysTheSameOfOneAsOfAll) {
  Scene scene(4);
  scene.hold({.id = "a", .gpus = {0}, .ends_in = hours(1)});
  scene.hold({.id = "b", .uid = kBob, .gpus = {1}});
  scene.gpu(2).unavailable = broken();
  scene.ask({.id = "two", .count = 2, .duration = hours(1)});
  scene.ask({.id = "zero", .gpu_ids = {0}});
  scene.ask({.id = "all", .count = 4});
  const std::vector<Decision> all = explain(scene.pool, scene.now());
  ASSERT_EQ(all.size(), 3U);
  for (const Decision& one : all) {
    EXPECT_EQ(explain(scene.pool, one.request_id, scene.now()), one);
  }
}

// Reasons.

TEST(Explain, NamesWhoReservedAGpuAndUntilWhen) {
  Scene scene(2);
  scene.hold({.id = "bobs", .uid = kBob, .gpus = {1}, .ends_in = hours(2)});
  scene.ask({.id = "one", .gpu_ids = {1}});
  const Reason expected{
      1, {1}, 0, {{Blocker::Kind::Reserved, {1}, "bob", scene.now().wall + hours(2)}}};
  EXPECT_EQ(scene.decision("one").reason, expected);
}

TEST(Explain, KnowsNoEndOfARunWithoutTimeout) {
  Scene scene(1);
  scene.hold({});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").reason.blockers.at(0).until, std::nullopt);
}

TEST(Explain, ShowsALabelWithItsAccount) {
  Scene scene(1);
  scene.hold({.uid = kBob, .label = "ann"});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").reason.blockers.at(0).who, "ann (bob)");
}

TEST(Explain, PutsGpusThatAreBlockedAlikeTogether) {
  Scene scene(4);
  scene.hold({.id = "x", .uid = kBob, .gpus = {0}});
  scene.hold({.id = "y", .uid = kCarol, .gpus = {1}});
  scene.hold({.id = "z", .uid = kBob, .gpus = {2, 3}});
  scene.ask({.id = "all", .count = 4});
  const std::vector<Blocker> expected = {{Blocker::Kind::Reserved, {0, 2, 3}, "bob", {}},
                                         {Blocker::Kind::Reserved, {1}, "carol", {}}};
  EXPECT_EQ(scene.decision("all").reason.blockers, expected);
}

TEST(Explain, KeepsDifferentEndsApart) {
  Scene scene(2);
  scene.hold({.id = "x", .gpus = {0}, .ends_in = hours(1)});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(2)});
  scene.ask({.id = "all", .count = 2});
  EXPECT_EQ(scene.decision("all").reason.blockers.size(), 2U);
}

TEST(Explain, TellsOfNoGpuThatWasNotAskedFor) {
  Scene scene(3);
  scene.hold({.gpus = {0, 1, 2}});
  scene.ask({.id = "one", .gpu_ids = {1}});
  EXPECT_EQ(scene.decision("one").reason.blockers.at(0).gpus, Gpus{1});
}

TEST(Explain, SaysForWhomAGpuIsHeld) {
  Scene scene(2);
  scene.hold({.uid = kBob, .gpus = {0}});
  scene.ask({.id = "two", .uid = kCarol, .label = "cy", .count = 2});
  scene.ask({.id = "one", .gpu_ids = {1}});
  scene.schedule();
  const std::vector<Blocker> expected = {{Blocker::Kind::Held, {1}, "cy (carol)", {}}};
  EXPECT_EQ(scene.decision("one").reason.blockers, expected);
}

TEST(Explain, CountsWhatIsHeldAsAvailableToItsHolderAlone) {
  Scene scene(3);
  scene.hold({.gpus = {0}});
  scene.ask({.id = "three", .count = 3});
  scene.ask({.id = "two", .count = 2});
  EXPECT_EQ(scene.decision("three").reason.available, 2);
  EXPECT_EQ(scene.decision("three").held, (Gpus{1, 2}));
  EXPECT_EQ(scene.decision("two").reason.available, 0);
  EXPECT_EQ(scene.decision("two").held, Gpus{});
}

TEST(Explain, TellsUnavailableAndDrainedGpusInTheirWords) {
  Scene scene(3);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.gpu(1).unavailable = broken();
  scene.gpu(2).out_of_service = "fan";
  scene.ask({.id = "three", .count = 3});
  const std::vector<Blocker> expected = {{Blocker::Kind::UnreservedUse, {0}, "by somebody", {}},
                                         {Blocker::Kind::Error, {1}, "GPU is lost", {}},
                                         {Blocker::Kind::OutOfService, {2}, "fan", {}}};
  EXPECT_EQ(scene.decision("three").reason.blockers, expected);
}

TEST(Explain, TellsOfTheReservationFirstWhereAGpuIsAlsoDrained) {
  Scene scene(1);
  scene.hold({.uid = kBob});
  scene.gpu(0).out_of_service = "fan";
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").reason.blockers.at(0).kind, Blocker::Kind::Reserved);
}

TEST(Explain, TellsOfTheDrainWhereAGpuIsAlsoInError) {
  Scene scene(1);
  scene.gpu(0).out_of_service = "fan";
  scene.gpu(0).unavailable = broken();
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").reason.blockers.at(0).kind, Blocker::Kind::OutOfService);
}

TEST(Explain, ForcedRequestHoldsTheGpusThatItMayTake) {
  Scene scene(3);
  scene.hold({.gpus = {0}});
  scene.gpu(1).unavailable = use_by({kAlice});
  scene.gpu(2).unavailable = use_by({kBob});
  scene.ask({.id = "force", .uid = kAlice, .count = 2, .force = true});
  const Decision decision = scene.decision("force");
  EXPECT_EQ(decision.held, Gpus{1});
  EXPECT_EQ(decision.reason.blockers.at(1).gpus, Gpus{2});
}

// Estimates.

TEST(Estimate, IsTheEndOfTheBlockingReservation) {
  Scene scene(1);
  scene.hold({.ends_in = hours(2)});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, scene.now().wall + hours(2));
}

TEST(Estimate, IsMissingWhenAnEndIsUnknown) {
  Scene scene(1);
  scene.hold({});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, std::nullopt);
}

TEST(Estimate, IsTheMomentWhenTheLastNeededGpuComesFree) {
  Scene scene(3);
  scene.hold({.id = "x", .gpus = {0}, .ends_in = hours(3)});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(1)});
  scene.hold({.id = "z", .gpus = {2}, .ends_in = hours(2)});
  scene.ask({.id = "two", .count = 2});
  EXPECT_EQ(scene.decision("two").estimated_start, scene.now().wall + hours(2));
}

TEST(Estimate, DoesNotNeedTheEndsOfMoreThanWhatIsAskedFor) {
  Scene scene(2);
  scene.hold({.id = "x", .gpus = {0}});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(1)});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, scene.now().wall + hours(1));
}

TEST(Estimate, LooksAtTheNamedGpusOnly) {
  Scene scene(2);
  scene.hold({.id = "x", .gpus = {0}, .ends_in = hours(1)});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(5)});
  scene.ask({.id = "late", .gpu_ids = {1}});
  EXPECT_EQ(scene.decision("late").estimated_start, scene.now().wall + hours(5));
}

TEST(Estimate, AddsTheDurationsOfThoseInFront) {
  Scene scene(1);
  scene.hold({.ends_in = hours(1)});
  scene.ask({.id = "first", .duration = hours(3)});
  scene.ask({.id = "second"});
  EXPECT_EQ(scene.decision("second").estimated_start, scene.now().wall + hours(4));
}

TEST(Estimate, IsMissingBehindARunOfUnknownLength) {
  Scene scene(1);
  scene.hold({.ends_in = hours(1)});
  scene.ask({.id = "first"});
  scene.ask({.id = "second"});
  EXPECT_EQ(scene.decision("second").estimated_start, std::nullopt);
}

TEST(Estimate, IsMissingBehindSomebodyWhoseStartIsUnknown) {
  Scene scene(2);
  scene.hold({.id = "x", .gpus = {0}});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(1)});
  scene.ask({.id = "two", .count = 2, .duration = hours(1)});
  scene.ask({.id = "one", .gpu_ids = {1}});
  EXPECT_EQ(scene.decision("one").estimated_start, std::nullopt);
}

TEST(Estimate, IsKnownOnAnotherGpuThanTheOneOfUnknownStart) {
  Scene scene(2);
  scene.hold({.id = "x", .gpus = {0}});
  scene.hold({.id = "y", .gpus = {1}, .ends_in = hours(1)});
  scene.ask({.id = "zero", .gpu_ids = {0}});
  scene.ask({.id = "one", .gpu_ids = {1}});
  EXPECT_EQ(scene.decision("one").estimated_start, scene.now().wall + hours(1));
}

TEST(Estimate, CountsOnNoGpuThatIsDrainedInErrorOrInUnreservedUse) {
  Scene scene(3);
  scene.gpu(0).out_of_service = "fan";
  scene.gpu(1).unavailable = broken();
  scene.gpu(2).unavailable = use_by({kBob});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, std::nullopt);
}

TEST(Estimate, DoesNotPromiseADrainedGpuWhenItsReservationEnds) {
  Scene scene(1);
  scene.hold({.ends_in = hours(1)});
  scene.gpu(0).out_of_service = "fan";
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, std::nullopt);
}

TEST(Estimate, IsMissingWhereAnEndIsOverdue) {
  Scene scene(1);
  // Its timeout has struck, and it has its grace period.
  scene.hold({.kind = ReservationKind::Run, .ends_in = -minutes(1), .holder = 9});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.decision("one").estimated_start, std::nullopt);
}

TEST(Explain, AnswersForTenThousandWaiters) {
  Scene scene(64);
  Gpus all;
  for (int gpu = 0; gpu < 64; ++gpu) all.push_back(gpu);
  scene.hold({.gpus = all, .ends_in = hours(1)});
  for (int i = 0; i < 10'000; ++i) scene.ask({.id = std::to_string(i), .duration = hours(1)});
  const std::vector<Decision> decisions = explain(scene.pool, scene.now());
  ASSERT_EQ(decisions.size(), 10'000U);
  EXPECT_EQ(decisions.back().position, 10'000);
  // 64 at a time, an hour each.
  EXPECT_EQ(decisions.back().estimated_start, scene.now().wall + hours(1) * (1 + 9'999 / 64));
}

}  // namespace
}  // namespace chg
