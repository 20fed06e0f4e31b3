// Rule 20: what the end of a reservation leaves behind.
#include "core/pool.h"

#include <gtest/gtest.h>

#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(EndReservation, WritesARecordForEachGpu) {
  Scene scene(3);
  scene.hold({.id = "m",
              .uid = kBob,
              .label = "ann",
              .kind = ReservationKind::Manual,
              .gpus = {0, 2},
              .age = hours(2)});
  end_reservation(scene.pool, "m", scene.now(), EndReason::Released);
  const WallTime started = scene.now().wall - hours(2);
  const std::vector<UsageRecord> expected = {{"m", 0, account(kBob), "ann", ReservationKind::Manual,
                                              started, scene.now().wall, EndReason::Released},
                                             {"m", 2, account(kBob), "ann", ReservationKind::Manual,
                                              started, scene.now().wall, EndReason::Released}};
  EXPECT_EQ(usage_of(scene.pool.events), expected);
  EXPECT_TRUE(scene.pool.reservations.empty());
}

TEST(EndReservation, MarksItsGpusAndNoOthersAsReleased) {
  Scene scene(2);
  scene.hold({.id = "m", .uid = kBob, .gpus = {1}});
  end_reservation(scene.pool, "m", scene.now(), EndReason::Released);
  EXPECT_EQ(scene.gpu(1).last_released, scene.now());
  EXPECT_EQ(scene.gpu(1).last_used_by_uid,
            (std::map<std::uint32_t, WallTime>{{kBob, scene.now().wall}}));
  EXPECT_EQ(scene.gpu(0).last_released, std::nullopt);
  EXPECT_TRUE(scene.gpu(0).last_used_by_uid.empty());
}

TEST(EndReservation, RemembersTheLastUseOfEachAccount) {
  Scene scene(1);
  scene.gpu(0).last_used_by_uid = {{kAlice, {}}, {kBob, {}}};
  scene.hold({.id = "m", .uid = kBob});
  end_reservation(scene.pool, "m", scene.now(), EndReason::Released);
  EXPECT_EQ(scene.gpu(0).last_used_by_uid[kAlice], WallTime{});
  EXPECT_EQ(scene.gpu(0).last_used_by_uid[kBob], scene.now().wall);
}

TEST(EndReservation, KnowsAnIdThatNobodyHasFromAGoodOne) {
  Scene scene(1);
  scene.hold({.id = "m"});
  const Pool before = scene.pool;
  end_reservation(scene.pool, "x", scene.now(), EndReason::Released);
  EXPECT_EQ(scene.pool, before);
}

TEST(EndReservation, NeverEndsBeforeItsStart) {
  Scene scene(1);
  scene.hold({.id = "m", .age = hours(1)});
  end_reservation(scene.pool, "m", scene.ago(hours(2)), EndReason::Lost);
  EXPECT_EQ(usage_of(scene.pool.events).at(0).ended, scene.now().wall - hours(1));
  EXPECT_EQ(usage_of(scene.pool.events).at(0).started, scene.now().wall - hours(1));
}

// When the wall clock stepped back, the release was still later than any look of before (rule 13).
TEST(EndReservation, KeepsTheBootTimeOfTheEndThoughTheWallClockSteppedBack) {
  Scene scene(1);
  scene.hold({.id = "m"});
  scene.clock.advance(minutes(10));
  scene.clock.step_wall(-hours(2));
  end_reservation(scene.pool, "m", scene.now(), EndReason::Released);
  ASSERT_TRUE(scene.gpu(0).last_released);
  EXPECT_EQ(scene.gpu(0).last_released->boot, scene.now().boot);
  EXPECT_GE(usage_of(scene.pool.events).at(0).ended, usage_of(scene.pool.events).at(0).started);
}

TEST(EndReservationOn, LeavesTheOtherGpusReserved) {
  Scene scene(3);
  scene.hold({.id = "m", .gpus = {0, 1, 2}});
  end_reservation_on(scene.pool, "m", {1}, scene.now(), EndReason::Released);
  EXPECT_EQ(scene.gpus_of("m"), (Gpus{0, 2}));
  ASSERT_EQ(usage_of(scene.pool.events).size(), 1U);
  EXPECT_EQ(usage_of(scene.pool.events)[0].gpu, 1);
}

TEST(EndReservationOn, ForgetsTheReservationWithItsLastGpu) {
  Scene scene(2);
  scene.hold({.id = "m", .gpus = {0, 1}});
  end_reservation_on(scene.pool, "m", {1}, scene.now(), EndReason::Released);
  end_reservation_on(scene.pool, "m", {0}, scene.now(), EndReason::Expired);
  EXPECT_TRUE(scene.pool.reservations.empty());
  EXPECT_EQ(usage_of(scene.pool.events).size(), 2U);
}

// Rule 24: else its waiter would come back to the queue.
TEST(EndReservationOn, IsRememberedForWhoHasNotBegun) {
  const auto cancelled_by = [](EndReason end, int supervisor, const Gpus& gpus) {
    Scene scene(2);
    scene.hold({.id = "m", .gpus = {0, 1}, .holder = 10, .supervisor = supervisor});
    end_reservation_on(scene.pool, "m", gpus, scene.now(), end);
    return scene.pool.cancelled;
  };
  const std::vector<Cancelled> told{{"m", process(10), Scene(1).now()}};
  EXPECT_EQ(cancelled_by(EndReason::Cleared, 0, {0, 1}), told);
  EXPECT_EQ(cancelled_by(EndReason::Released, 0, {0, 1}), told);
  EXPECT_EQ(cancelled_by(EndReason::Released, 0, {0}), std::vector<Cancelled>{})
      << "it has the other";
  EXPECT_EQ(cancelled_by(EndReason::Cleared, 11, {0, 1}), std::vector<Cancelled>{})
      << "it has begun";
  EXPECT_EQ(cancelled_by(EndReason::Lost, 0, {0, 1}), std::vector<Cancelled>{})
      << "if it lives, it waits";
}

TEST(EndReservationOn, WritesNoRecordForAGpuThatIsNotItsOwn) {
  Scene scene(2);
  scene.hold({.id = "m", .gpus = {0}});
  end_reservation_on(scene.pool, "m", {1, 0, 0}, scene.now(), EndReason::Released);
  EXPECT_EQ(usage_of(scene.pool.events).size(), 1U);
  EXPECT_EQ(scene.gpu(1).last_released, std::nullopt);
}

TEST(Pool, FindsWhoHasAGpu) {
  Scene scene(3);
  scene.hold({.id = "a", .gpus = {0, 2}});
  EXPECT_EQ(reservation_of(scene.pool, 2)->id, "a");
  EXPECT_EQ(reservation_of(scene.pool, 1), nullptr);
  EXPECT_EQ(reservation_of(scene.pool, 9), nullptr);
}

TEST(Pool, FindsGpusByIndexAndNotByPlace) {
  Scene scene(2);
  scene.gpu(0).index = 5;
  EXPECT_EQ(find_gpu(scene.pool, 5), scene.pool.gpus.data());
  EXPECT_EQ(find_gpu(scene.pool, 0), nullptr);
}

}  // namespace
}  // namespace chg
