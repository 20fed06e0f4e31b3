// Runs inside reservations.
#include "core/inner.h"

#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/overview.h"
#include "core/protocol.h"
#include "core/recall.h"
#include "core/restore.h"
#include "support/add_up.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

void expect_refusal(const std::function<void()>& action, ErrorKind kind, const std::string& what,
                    const std::string& hint) {
  const Error error = error_of(action);
  EXPECT_EQ(error.kind(), kind);
  EXPECT_EQ(error.what(), what);
  EXPECT_EQ(error.hint(), hint);
}

// Alice's run "outer" has GPUs 0-2 of four.
class Inner : public ::testing::Test {
 protected:
  Inner() {
    scene_.hold(
        {.id = "outer", .gpus = {0, 1, 2}, .age = hours(2), .holder = 10, .supervisor = 11});
  }

  // A run of hers that began inside `outer` an hour ago.
  void hold_inner(const std::string& id, const Gpus& gpus, int pid = 20) {
    scene_.hold({.id = id, .gpus = gpus, .age = hours(1), .holder = pid, .supervisor = pid + 1});
  }

  Ids outer_ids() const {
    Ids ids;
    for (const Reservation& one : scene_.pool.reservations) {
      const Reservation* outer = outer_of(scene_.pool, one);
      ids.push_back(outer == nullptr ? "" : outer->id);
    }
    return ids;
  }

  Scene scene_{4};
};

TEST(InnerIds, SayWhatWasMadeInsideWhat) {
  EXPECT_EQ(inner_id("c", "b.a"), "c.b.a");
  EXPECT_TRUE(was_made_inside("c.b.a", "b.a"));
  EXPECT_TRUE(was_made_inside("c.b.a", "a"));
  EXPECT_FALSE(was_made_inside("c.b.a", "c"));
  EXPECT_FALSE(was_made_inside("cb", "b")) << "that only ends like it";
  EXPECT_FALSE(was_made_inside("b", "b"));
  EXPECT_TRUE(names_job("b.a", "b.a"));
  EXPECT_TRUE(names_job("b.a", "a"));
  EXPECT_FALSE(names_job("a", "b.a"));
}

// --- Who gets what ---

TEST_F(Inner, ARequestIsServedFromItsOuterReservation) {
  scene_.ask({.id = "x.outer"});
  scene_.ask({.id = "y.outer"});
  EXPECT_EQ(scene_.schedule(), (Ids{"x.outer", "y.outer"}));
  EXPECT_EQ(scene_.gpus_of("x.outer"), Gpus{0});
  EXPECT_EQ(scene_.gpus_of("y.outer"), Gpus{1});
  EXPECT_EQ(scene_.gpus_of("outer"), (Gpus{0, 1, 2}));
  EXPECT_EQ(reservation_of(scene_.pool, 0)->id, "outer");
  EXPECT_EQ(scene_.pool.events.back().within, "outer");
}

TEST_F(Inner, TheOneThatFindsNoRoomWaitsForThoseInside) {
  hold_inner("x.outer", {0, 1});
  scene_.ask({.id = "y.outer", .count = 2});
  scene_.ask({.id = "z.outer", .count = 1});
  EXPECT_EQ(scene_.schedule(), Ids{}) << "nobody overtakes: GPU 2 is held";
  const Decision decision = scene_.decision("y.outer");
  EXPECT_EQ(decision.held, Gpus{2});
  EXPECT_EQ(decision.reason.within, "outer");
  EXPECT_EQ(decision.reason.blockers,
            (std::vector<Blocker>{{Blocker::Kind::Reserved, {0, 1}, "alice", std::nullopt, true}}));
  const Decision behind = scene_.decision("z.outer");
  EXPECT_EQ(behind.held, Gpus{});
  EXPECT_EQ(behind.reason.blockers.size(), 2U);
  end_reservation(scene_.pool, "x.outer", scene_.now(), EndReason::Finished);
  EXPECT_EQ(scene_.schedule(), (Ids{"y.outer", "z.outer"}));
}

TEST_F(Inner, ThePoolAndTheInsideAreServedApart) {
  hold_inner("x.outer", {0, 1, 2});
  scene_.ask({.id = "y.outer"});
  scene_.ask({.id = "two", .uid = kBob, .count = 2});
  scene_.ask({.id = "one", .uid = kCarol});
  EXPECT_EQ(scene_.schedule(), Ids{}) << "GPU 3 is held for bob";
  scene_.end("x.outer");
  EXPECT_EQ(scene_.schedule(), Ids{"y.outer"});
  EXPECT_EQ(scene_.decision("two").held, Gpus{3});
}

TEST_F(Inner, IsServedWhereThePoolHasNothingLeft) {
  scene_.hold({.id = "bobs", .uid = kBob, .gpus = {3}, .holder = 30, .supervisor = 31});
  scene_.ask({.id = "waits", .uid = kBob});
  scene_.ask({.id = "x.outer", .count = 3});
  EXPECT_EQ(scene_.schedule(), Ids{"x.outer"});
}

// Its outer one waits, too, as in an older state of the store.
TEST_F(Inner, HoldsNothingOfThePoolOnceItsOuterOneIsGranted) {
  Scene scene{4};
  scene.ask({.id = "again", .count = 3});
  scene.ask({.id = "x.again", .count = 3});
  scene.ask({.id = "bobs", .uid = kBob});
  EXPECT_EQ(scene.schedule(), (Ids{"again", "x.again", "bobs"}));
  EXPECT_EQ(scene.gpus_of("x.again"), (Gpus{0, 1, 2}));
  EXPECT_EQ(scene.gpus_of("bobs"), Gpus{3});
}

TEST_F(Inner, OfAnotherAccountOrOfNothingIsAnOrdinaryRequest) {
  scene_.ask({.id = "x.outer", .uid = kBob});
  scene_.ask({.id = "y.gone"});
  EXPECT_EQ(scene_.schedule(), Ids{"x.outer"});
  EXPECT_EQ(scene_.gpus_of("x.outer"), Gpus{3});
  EXPECT_EQ(outer_ids(), (Ids{"", ""}));
}

TEST_F(Inner, GetsTheGpusThatItNames) {
  hold_inner("x.outer", {0});
  scene_.ask({.id = "y.outer", .gpu_ids = {0}});
  scene_.ask({.id = "z.outer", .gpu_ids = {2}});
  EXPECT_EQ(scene_.schedule(), Ids{"z.outer"});
  EXPECT_EQ(scene_.decision("y.outer").reason.blockers.size(), 1U);
}

TEST_F(Inner, ARunInsideARunInsideARun) {
  hold_inner("b.outer", {0, 1});
  scene_.ask({.id = "c.b.outer"});
  scene_.ask({.id = "d.outer"});
  scene_.schedule();
  EXPECT_EQ(scene_.gpus_of("c.b.outer"), Gpus{0});
  EXPECT_EQ(scene_.gpus_of("d.outer"), Gpus{2});
  EXPECT_EQ(outer_of(scene_.pool, *find_reservation(scene_.pool, "c.b.outer"))->id, "b.outer");
  scene_.end("b.outer");
  EXPECT_EQ(outer_of(scene_.pool, *find_reservation(scene_.pool, "c.b.outer"))->id, "outer");
}

TEST_F(Inner, MayUseWhatItsOuterReservationUses) {
  scene_.ask({.id = "x.outer"});
  scene_.schedule();
  const Observation used = scene_.observation({reading(0, {{}})});
  const Reservation& granted = *find_reservation(scene_.pool, "x.outer");
  EXPECT_TRUE(is_usable(scene_.pool, granted, scene_.request({.id = "x.outer"}), used));
}

TEST_F(Inner, WhatCanNeverBeInsideIsRefused) {
  const auto join_one = [&](const Ask& ask) {
    Request request = scene_.request(ask);
    join(scene_.pool, request, scene_.now());
  };
  expect_refusal([&] { join_one({.id = "x.outer", .count = 4}); }, ErrorKind::Usage,
                 "4 GPUs can never be granted inside reservation outer, which has GPUs 0-2",
                 "take others of the pool: canhazgpu run --new --gpus 4 -- COMMAND");
  expect_refusal(
      [&] {
        join_one({.id = "x.outer", .gpu_ids = {2, 3}});
      },
      ErrorKind::Usage, "reservation outer, around this run, does not have GPU 3",
      "take others of the pool: canhazgpu run --new --gpu-ids 2,3 -- COMMAND");
}

TEST_F(Inner, LimitsCountNoGpuTwice) {
  scene_.pool.policy.limits = {Limits{}};
  scene_.pool.policy.limits[0].gpus = 3;
  Request request = scene_.request({.id = "x.outer", .count = 3});
  request.enqueued = {};
  join(scene_.pool, request, scene_.now());
  EXPECT_EQ(scene_.schedule(), Ids{"x.outer"});
  scene_.pool.policy.limits[0].gpus = 4;
  scene_.ask({.id = "more"});
  EXPECT_EQ(scene_.schedule(), Ids{"more"}) << "she has three, and not six";
}

// --- Which one it is inside of ---

TEST_F(Inner, TheEnvironmentSaysWhichRunItIsInsideOf) {
  const Request any = scene_.request({});
  EXPECT_EQ(choose_outer(scene_.pool, any, {"outer", false, false}), "outer");
  EXPECT_EQ(choose_outer(scene_.pool, any, {"over.outer", false, false}), "outer");
  EXPECT_EQ(choose_outer(scene_.pool, any, {"outer", true, false}), "");
  EXPECT_EQ(choose_outer(scene_.pool, any, {"gone", false, false}), "");
  EXPECT_EQ(choose_outer(scene_.pool, scene_.request({.uid = kBob}), {"outer", false, false}), "");
}

TEST_F(Inner, NamedGpusAreSoughtInManualReservations) {
  scene_.hold({.id = "m", .kind = ReservationKind::Manual, .gpus = {3}, .ends_in = hours(1)});
  const auto chosen = [&](const Ask& ask) {
    return choose_outer(scene_.pool, scene_.request(ask), {});
  };
  EXPECT_EQ(chosen({.gpu_ids = {3}}), "m");
  EXPECT_EQ(chosen({.gpu_ids = {2, 3}}), "");
  EXPECT_EQ(chosen({.gpu_ids = {0}}), "") << "a run's";
  EXPECT_EQ(chosen({.uid = kBob, .gpu_ids = {3}}), "");
  EXPECT_EQ(chosen({.label = "x", .gpu_ids = {3}}), "") << "who shares the account reserved it";
  EXPECT_EQ(chosen({}), "") << "a plain run takes others";
}

TEST_F(Inner, MineIsAManualReservationWithRoom) {
  const Whereabouts mine{"", false, true};
  expect_refusal([&] { choose_outer(scene_.pool, scene_.request({.count = 2}), mine); },
                 ErrorKind::Failed, "you have no manual reservation of 2 GPUs to run in",
                 "reserve with: canhazgpu reserve --gpus 2; or leave --mine out");
  Scene scene(4);
  const auto manual = ReservationKind::Manual;
  scene.hold({.id = "m", .kind = manual, .gpus = {0, 1}, .ends_in = hours(1)});
  scene.hold({.id = "n", .kind = manual, .gpus = {2, 3}, .ends_in = hours(1)});
  EXPECT_EQ(choose_outer(scene.pool, scene.request({.count = 2}), mine), "m");
  scene.hold({.id = "x.m", .gpus = {0}, .holder = 20, .supervisor = 21});
  EXPECT_EQ(choose_outer(scene.pool, scene.request({.count = 1}), mine), "m");
  EXPECT_EQ(choose_outer(scene.pool, scene.request({.count = 2}), mine), "n");
}

TEST_F(Inner, APlainRunIsToldOfItsOwnManualReservation) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.ask({.id = "plain"});
  scene.ask({.id = "bobs", .uid = kBob});
  scene.schedule();
  EXPECT_TRUE(scene.decision("plain").reason.fits_in_own);
  EXPECT_TRUE(scene.decision("plain").reason.blockers[0].is_own);
  EXPECT_FALSE(scene.decision("bobs").reason.fits_in_own);
  EXPECT_FALSE(scene.decision("bobs").reason.blockers[0].is_own);
}

// --- Its end, and that of its outer one ---

TEST_F(Inner, ItsEndGivesTheGpuBackToTheOuterOne) {
  hold_inner("x.outer", {1});
  end_reservation(scene_.pool, "x.outer", scene_.now(), EndReason::Finished);
  EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "outer");
  EXPECT_EQ(scene_.gpu(1).last_released, std::nullopt);
  EXPECT_EQ(scene_.pool.events.back().within, "outer");
  EXPECT_EQ(usage_of(scene_.pool.events).front().within, "outer");
}

TEST_F(Inner, GoesOnAloneWhenItsOuterOneEnds) {
  hold_inner("x.outer", {1});
  scene_.end("outer");
  EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "x.outer");
  EXPECT_EQ(reservation_of(scene_.pool, 0), nullptr);
  EXPECT_EQ(scene_.pool.reservations[0].started.wall, scene_.now().wall) << "charged from now on";
  scene_.ask({.id = "bobs", .uid = kBob, .count = 3});
  EXPECT_EQ(scene_.schedule(), Ids{"bobs"});
  EXPECT_EQ(scene_.gpus_of("bobs"), (Gpus{0, 2, 3}));
  scene_.end("x.outer");
  EXPECT_EQ(reservation_of(scene_.pool, 1), nullptr);
  EXPECT_EQ(scene_.pool.events.back().within, "");
}

TEST_F(Inner, ARequestGoesToThePoolWhenItsOuterOneEnds) {
  hold_inner("x.outer", {0, 1, 2});
  scene_.ask({.id = "y.outer"});
  EXPECT_EQ(scene_.schedule(), Ids{});
  scene_.end("outer");
  EXPECT_EQ(scene_.schedule(), Ids{"y.outer"});
  EXPECT_EQ(scene_.gpus_of("y.outer"), Gpus{3});
}

TEST_F(Inner, TheReportCountsEachHourOnce) {
  hold_inner("x.outer", {0, 1});
  const WallTime now = scene_.now().wall;
  const auto total = [&](WallTime to) {
    return add_up(usage_of(scene_.pool.events), scene_.pool.reservations, now - hours(9), to,
                  ReportBy::User);
  };
  EXPECT_DOUBLE_EQ(total(now).total_gpu_hours, 6.0);
  EXPECT_EQ(total(now).total_reservations, 1);
  scene_.end("outer");
  EXPECT_DOUBLE_EQ(total(now + hours(1)).total_gpu_hours, 8.0) << "it goes on with two GPUs";
  EXPECT_EQ(total(now + hours(1)).total_reservations, 1);
  scene_.end("x.outer");
  EXPECT_DOUBLE_EQ(total(now + hours(1)).total_gpu_hours, 6.0);
}

TEST_F(Inner, WhatEndsTogetherLeavesNoRunOfNoLength) {
  hold_inner("x.outer", {0}, 20);
  for (const int pid : {10, 11, 20, 21}) scene_.liveness.set(pid, Liveness::Gone);
  const Observation seen = scene_.observation({reading(0), reading(1), reading(2), reading(3)});
  scene_.reap(&seen);
  ASSERT_EQ(scene_.pool.events.size(), 2U);
  EXPECT_EQ(scene_.pool.events[0].id, "x.outer");
  EXPECT_EQ(scene_.pool.events[0].within, "outer");
  Scene cleared(1);
  cleared.hold({.id = "y.m", .age = hours(2), .holder = 30, .supervisor = 31});
  cleared.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  clear(cleared.pool, {{0, "root"}, true}, cleared.now());
  EXPECT_EQ(cleared.pool.events[1].within, "m");
}

TEST_F(Inner, ItsProcessesAreOfBothJobs) {
  hold_inner("x.outer", {0});
  const Observation seen = scene_.observation({reading(0, {{.reservation_id = "x.outer"}}),
                                               reading(1, {{.pid = 7, .reservation_id = "outer"}}),
                                               reading(2), reading(3)});
  const auto pids = [&](const std::string& id) {
    Gpus found;
    for (const auto& one : job_processes(*find_reservation(scene_.pool, id), scene_.pool, seen))
      found.push_back(one.pid);
    return found;
  };
  EXPECT_EQ(pids("outer"), (Gpus{4242, 7}));
  EXPECT_EQ(pids("x.outer"), Gpus{4242});
}

// --- What people do ---

class InnerManual : public ::testing::Test {
 protected:
  InnerManual() {
    scene_.hold({.id = "m",
                 .kind = ReservationKind::Manual,
                 .gpus = {0, 1, 2},
                 .ends_in = minutes(10),
                 .age = hours(2)});
    scene_.hold({.id = "x.m", .gpus = {1, 2}, .age = hours(1), .holder = 20, .supervisor = 21});
  }

  Released give_back(const Gpus& gpus, bool runs = false) {
    return release(scene_.pool, {account(kAlice)}, {gpus, std::nullopt, runs}, scene_.now());
  }

  Scene scene_{4};
};

TEST_F(InnerManual, TheRunGoesOnWhenTheReservationExpires) {
  const WallTime expiry = scene_.now().wall + minutes(10);
  scene_.clock.advance(hours(1));
  scene_.reap();
  ASSERT_EQ(scene_.pool.reservations.size(), 1U);
  EXPECT_EQ(scene_.pool.reservations[0].id, "x.m");
  EXPECT_EQ(scene_.pool.reservations[0].started.wall, expiry);
}

TEST_F(InnerManual, TheRunGoesOnWhenTheReservationIsReleased) {
  const Released released = give_back({});
  EXPECT_EQ(released.gpus, Gpus{0});
  EXPECT_EQ(released.left_to_runs, (Gpus{1, 2}));
  EXPECT_EQ(released.runs_kept, 1);
  EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "x.m");
}

TEST_F(InnerManual, TheOtherGpusCanBeReleasedAlone) {
  EXPECT_EQ(give_back({0}).gpus, Gpus{0});
  EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "m");
}

TEST_F(InnerManual, TheRunLeavesWithAllItsGpusOrNone) {
  expect_refusal([&] { give_back({2}); }, ErrorKind::Failed,
                 "nothing was released: a run inside uses GPUs 1 and 2 together",
                 "name them all: canhazgpu release --gpu-ids 1,2");
  EXPECT_EQ(give_back({1, 2}).left_to_runs, (Gpus{1, 2}));
  EXPECT_EQ(scene_.gpus_of("m"), Gpus{0});
  EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "x.m");
}

TEST_F(InnerManual, KillEndsTheRunsInside) {
  const Released released = give_back({1, 2}, true);
  ASSERT_EQ(released.runs.size(), 1U);
  EXPECT_EQ(released.runs[0].id, "x.m");
  EXPECT_EQ(released.runs[0].ending, EndReason::Killed);
}

TEST_F(Inner, KillingTheOuterRunEndsThoseInside) {
  hold_inner("x.outer", {1});
  const Released released =
      release(scene_.pool, {account(kAlice)}, {{0}, std::nullopt, true}, scene_.now());
  ASSERT_EQ(released.runs.size(), 2U);
  EXPECT_EQ(find_reservation(scene_.pool, "x.outer")->ending, EndReason::Killed);
}

// It was granted GPUs of the pool while a store had lost the outer one.
TEST_F(Inner, KillingARunSparesThoseThatAreNotInsideIt) {
  hold_inner("x.outer", {3});
  hold_inner("y.x.outer", {3}, 30);
  EXPECT_EQ(outer_ids(), (Ids{"", "", "x.outer"}));
  const Released released =
      release(scene_.pool, {account(kAlice)}, {{0}, std::nullopt, true}, scene_.now());
  ASSERT_EQ(released.runs.size(), 1U);
  EXPECT_EQ(released.runs[0].id, "outer");
  EXPECT_EQ(find_reservation(scene_.pool, "x.outer")->ending, std::nullopt);
  EXPECT_EQ(find_reservation(scene_.pool, "y.x.outer")->ending, std::nullopt);
}

// --- What the store has lost ---

TEST_F(Inner, TheyComeBackInAnyOrder) {
  hold_inner("x.outer", {1});
  const Pool before = scene_.pool;
  const Reservation outer = before.reservations[0];
  const Reservation inner = before.reservations[1];
  for (const bool outer_first : {true, false}) {
    scene_.pool.reservations.clear();
    restore(scene_.pool, outer_first ? outer : inner);
    EXPECT_EQ(reservation_of(scene_.pool, 1)->id, outer_first ? "outer" : "x.outer");
    restore(scene_.pool, outer_first ? inner : outer);
    EXPECT_EQ(scene_.pool.reservations, before.reservations);
    EXPECT_EQ(reservation_of(scene_.pool, 1)->id, "outer");
  }
}

TEST_F(Inner, NothingIsGrantedInsideWhileRunsAreLookedFor) {
  begin_recall(scene_.pool, scene_.now());
  scene_.ask({.id = "y.outer"});
  EXPECT_EQ(scene_.schedule(), Ids{}) << "the GPU may be that of a run inside";
  end_recall(scene_.pool);
  EXPECT_EQ(scene_.schedule(), Ids{"y.outer"});
}

TEST_F(Inner, TheyLoseAndGetBackAGpuTogether) {
  hold_inner("x.outer", {1});
  const std::vector<Reservation> before = scene_.pool.reservations;
  scene_.pool.reservations.clear();
  scene_.hold({.id = "bobs", .uid = kBob, .gpus = {1}, .holder = 30, .supervisor = 31});
  restore(scene_.pool, before[1]);
  restore(scene_.pool, before[0]);
  EXPECT_EQ(find_reservation(scene_.pool, "x.outer")->lost, Gpus{1});
  EXPECT_EQ(find_reservation(scene_.pool, "outer")->lost, Gpus{1});
  scene_.end("bobs");
  reclaim_lost_gpus(scene_.pool);
  EXPECT_EQ(scene_.pool.reservations, before);
}

TEST_F(Inner, IsNotRestoredInAnotherStateOfItsOuterOne) {
  hold_inner("x.outer", {1, 2});
  const Reservation inner = scene_.pool.reservations.back();
  scene_.pool.reservations.pop_back();
  scene_.pool.reservations[0].gpus = {0, 1};
  restore(scene_.pool, inner);
  EXPECT_EQ(scene_.gpus_of("x.outer"), Gpus{2}) << "the other one may not be its own any more";
  EXPECT_EQ(find_reservation(scene_.pool, "x.outer")->lost, Gpus{1});
  EXPECT_EQ(outer_ids(), (Ids{"", ""}));
}

// --- Views ---

TEST_F(Inner, TheStatusShowsThoseInside) {
  hold_inner("x.outer", {1});
  const Overview seen = overview(scene_.pool, scene_.given());
  EXPECT_EQ(seen.gpus[1].reservation->id, "outer");
  ASSERT_EQ(seen.gpus[1].inner.size(), 1U);
  EXPECT_EQ(seen.gpus[1].inner[0].id, "x.outer");
  EXPECT_TRUE(seen.gpus[0].inner.empty());
}

}  // namespace
}  // namespace chg
