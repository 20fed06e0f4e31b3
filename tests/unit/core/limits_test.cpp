#include "core/limits.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "core/protocol.h"
#include "core/schedule.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;

Limits limit(const std::string& subject) {
  Limits made;
  made.subject = subject;
  return made;
}

void limit_gpus(Scene& scene, int gpus) {
  scene.pool.policy.limits = {limit("")};
  scene.pool.policy.limits[0].gpus = gpus;
}

template <typename Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::NotPermitted);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

std::string join_refusal(Scene& scene, const Ask& ask) {
  Request request = scene.request(ask);
  request.enqueued = {};
  return refusal([&] { join(scene.pool, request, scene.now()); });
}

// --- GPUs at once ---

TEST(GpuLimits, ARequestBeyondItWaitsAndHoldsNothing) {
  Scene scene(4);
  limit_gpus(scene, 2);
  scene.hold({.id = "mine", .gpus = {0}});
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "bobs", .uid = kBob, .count = 2});
  EXPECT_EQ(scene.schedule(), Ids{"bobs"});
  const Decision decision = scene.decision("two");
  EXPECT_EQ(decision.held, Gpus{});
  EXPECT_EQ(decision.reason, (Reason{2, {}, 0, {}, GpuLimit{2, 1}}));
  EXPECT_EQ(decision.estimated_start, std::nullopt);
}

TEST(GpuLimits, ARequestIsGrantedWhenItsAccountHasRoom) {
  Scene scene(4);
  limit_gpus(scene, 2);
  scene.hold({.id = "mine", .gpus = {0}});
  scene.ask({.id = "two", .count = 2});
  EXPECT_EQ(scene.schedule(), Ids{});
  scene.end("mine");
  EXPECT_EQ(scene.schedule(), Ids{"two"});
}

TEST(GpuLimits, AnAccountDoesNotOvertakeItself) {
  Scene scene(4);
  limit_gpus(scene, 2);
  scene.hold({.id = "mine", .gpus = {0}});
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "one", .count = 1});
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.decision("one").reason.limit, (GpuLimit{2, 3}));
  scene.end("mine");
  EXPECT_EQ(scene.schedule(), Ids{"two"});
}

TEST(GpuLimits, WhatAnAccountHoldsInTheQueueCounts) {
  Scene scene(3);
  limit_gpus(scene, 2);
  scene.hold({.id = "bobs", .uid = kBob, .gpus = {0, 1}});
  scene.ask({.id = "two", .count = 2});
  scene.ask({.id = "one", .count = 1});
  EXPECT_EQ(scene.schedule(), Ids{});
  EXPECT_EQ(scene.decision("two").held, Gpus{2});
  EXPECT_EQ(scene.decision("one").held, Gpus{});
}

// Found by tests/sim: what its account asked for next waited until the next update.
TEST(GpuLimits, AGoneWaiterThatIsDroppedCountsNoMore) {
  for (const Liveness first : {Liveness::Gone, Liveness::Alive}) {
    Scene scene(3);
    limit_gpus(scene, 2);
    scene.ask({.id = "first", .count = 2, .pid = 7});
    scene.ask({.id = "second", .count = 2, .pid = 8});
    scene.liveness.set(7, first);
    EXPECT_EQ(scene.schedule(), Ids{first == Liveness::Gone ? "second" : "first"});
  }
}

TEST(GpuLimits, SeveralGrantsAtOnceStayWithinIt) {
  Scene scene(8);
  limit_gpus(scene, 3);
  for (const char* id : {"a", "b", "c", "d"}) scene.ask({.id = id});
  EXPECT_EQ(scene.schedule(), (Ids{"a", "b", "c"}));
}

TEST(GpuLimits, OfOneAccountBindNobodyElse) {
  Scene scene(4);
  scene.pool.policy.limits = {limit("user.alice")};
  scene.pool.policy.limits[0].gpus = 1;
  scene.ask({.id = "a", .count = 1});
  scene.ask({.id = "b", .uid = kBob, .count = 2});
  EXPECT_EQ(scene.schedule(), (Ids{"a", "b"}));
}

TEST(GpuLimits, OfAGroupBindThoseWhoAreInIt) {
  Scene scene(4);
  scene.pool.policy.limits = {limit("group.students")};
  scene.pool.policy.limits[0].gpus = 1;
  Request student = scene.request({.id = "student", .count = 2});
  student.groups = {"students"};
  enqueue(scene.pool, student);
  scene.ask({.id = "other", .uid = kBob, .count = 2});
  EXPECT_EQ(scene.schedule(), Ids{"other"});
}

TEST(GpuLimits, WhatCanNeverBeIsRefusedAtOnce) {
  Scene scene(4);
  limit_gpus(scene, 2);
  scene.pool.policy.contact = "carol";
  EXPECT_EQ(join_refusal(scene, {.count = 3}),
            "3 GPUs at once are more than you may have here: 2 (limits.gpus) | ask for fewer GPUs; "
            "or ask carol");
  EXPECT_EQ(join_refusal(scene, {.count = 2}), "no error");
}

TEST(GpuLimits, AWaiterThatIsGoneTakesUpNothing) {
  Scene scene(4);
  limit_gpus(scene, 2);
  scene.ask({.id = "dead", .count = 2, .pid = 50});
  scene.ask({.id = "alive", .count = 2});
  scene.liveness.set(50, Liveness::Gone);
  EXPECT_EQ(scene.schedule(), Ids{"alive"});
  EXPECT_EQ(scene.waiting(), Ids{});
}

// --- Times ---

TEST(TimeLimits, ARunWithoutTimeoutGetsTheDefaultOne) {
  Policy policy;
  Scene scene(1);
  Request request = scene.request({});
  apply_limits(policy, request);
  EXPECT_EQ(request.duration, std::nullopt);
  policy.limits = {limit("")};
  policy.limits[0].timeout = hours(9);
  Request limited = request;
  apply_limits(policy, limited);
  EXPECT_EQ(limited.duration, hours(9));
  policy.default_timeout = hours(2);
  apply_limits(policy, request);
  EXPECT_EQ(request.duration, hours(2));
}

TEST(TimeLimits, ADefaultTimeoutIsNoLongerThanTheLongestThatIsAllowed) {
  Scene scene(1);
  Policy policy;
  policy.default_timeout = hours(9);
  policy.limits = {limit("")};
  policy.limits[0].timeout = hours(2);
  Request request = scene.request({});
  apply_limits(policy, request);
  EXPECT_EQ(request.duration, hours(2));
}

TEST(TimeLimits, ALongerTimeoutOrReservationIsRefused) {
  Scene scene(1);
  scene.pool.policy.limits = {limit("")};
  scene.pool.policy.limits[0].timeout = hours(2);
  scene.pool.policy.limits[0].duration = hours(4);
  EXPECT_EQ(join_refusal(scene, {.duration = hours(3)}),
            "a run may last 2h here (limits.timeout), and this one 3h | run it with --timeout 2h");
  EXPECT_EQ(
      join_refusal(scene, {.kind = ReservationKind::Manual, .duration = hours(5)}),
      "a manual reservation may last 4h here (limits.duration), and this one 5h | reserve for "
      "at most 4h");
  EXPECT_EQ(join_refusal(scene, {.kind = ReservationKind::Manual, .duration = hours(4)}),
            "no error");
}

TEST(TimeLimits, ARequestThatComesBackIsNotAskedAgain) {
  Scene scene(1);
  scene.pool.policy.limits = {limit("")};
  scene.pool.policy.limits[0].timeout = hours(2);
  Request request = scene.request({.duration = hours(3)});
  request.arrival = 1;
  join(scene.pool, request, scene.now());
  EXPECT_NE(find_request(scene.pool, request.id), nullptr);
}

// --- Waiting requests ---

TEST(RequestLimits, NoMoreWaitThanMay) {
  Scene scene(1);
  scene.pool.policy.limits = {limit("")};
  scene.pool.policy.limits[0].requests = 1;
  scene.hold({});
  scene.ask({.id = "first"});
  scene.ask({.id = "bobs", .uid = kBob});
  EXPECT_NO_THROW(require_may_wait(scene.pool, scene.request({.id = "first"})));
  scene.ask({.id = "second"});
  EXPECT_EQ(refusal([&] { require_may_wait(scene.pool, scene.request({.id = "second"})); }),
            "no more than 1 of your requests may wait here at once (limits.requests) | see those "
            "that wait: canhazgpu queue");
  EXPECT_NO_THROW(require_may_wait(scene.pool, scene.request({.id = "bobs", .uid = kBob})));
}

}  // namespace
}  // namespace chg
