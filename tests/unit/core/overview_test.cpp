// Rules 4, 8, 16-18 as status shows them.
#include "core/overview.h"

#include <gtest/gtest.h>

#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;

Overview overview_of(const Scene& scene, const std::vector<GpuReading>& readings) {
  const Observation seen = scene.observation(readings);
  return overview(scene.pool, scene.given(&seen));
}

Overview unobserved(const Scene& scene) {
  return overview(scene.pool, scene.given(), "nvidia-smi failed");
}

Gpus pids_of(const std::vector<GpuProcess>& processes) {
  Gpus pids;
  for (const GpuProcess& process : processes) pids.push_back(process.pid);
  return pids;
}

TEST(Overview, ShowsAFreeGpuAsAvailable) {
  const Scene scene(1);
  const Overview view = overview_of(scene, {reading(0)});
  EXPECT_EQ(view.gpus[0].status, GpuStatus::Available);
  EXPECT_FALSE(view.gpus[0].in_use);
  EXPECT_EQ(view.gpus[0].reading, reading(0));
}

TEST(Overview, ShowsUnreservedUseWithItsProcesses) {
  const Scene scene(1);
  const Overview view = overview_of(scene, {reading(0, {{.pid = 5, .uid = kBob}})});
  EXPECT_EQ(view.gpus[0].status, GpuStatus::Unreserved);
  EXPECT_EQ(pids_of(view.gpus[0].users), Gpus{5});
}

TEST(Overview, ShowsNoUsersOfAGpuThatIsNotInUse) {
  const Scene scene(1);
  const Overview view = overview_of(scene, {reading(0, {{.pid = 5, .memory_mib = 10}})});
  EXPECT_EQ(view.gpus[0].status, GpuStatus::Available);
  EXPECT_TRUE(view.gpus[0].users.empty());
}

TEST(Overview, ShowsAReservedGpuAsInUseByItsReservation) {
  Scene scene(2);
  scene.hold({.id = "mine", .gpus = {1}, .holder = 9});
  const Overview view = overview_of(scene, {reading(0), reading(1)});
  EXPECT_EQ(view.gpus[0].reservation, std::nullopt);
  EXPECT_EQ(view.gpus[1].status, GpuStatus::InUse);
  EXPECT_EQ(view.gpus[1].reservation->id, "mine");
  EXPECT_FALSE(view.gpus[1].command_ended);
}

TEST(Overview, ShowsForeignUseBesideTheReservation) {
  Scene scene(1);
  scene.hold({.id = "mine", .uid = kAlice, .holder = 9});
  const Overview view =
      overview_of(scene, {reading(0, {{.pid = 1, .uid = kAlice},
                                      {.pid = 2, .uid = kBob},
                                      {.pid = 3, .uid = 0, .reservation_id = "mine"},
                                      {.pid = 4, .uid = std::nullopt}})});
  EXPECT_EQ(view.gpus[0].status, GpuStatus::InUse);
  // Anybody may put the id into an environment of his own.
  EXPECT_EQ(pids_of(view.gpus[0].foreign), (Gpus{2, 3}));
}

TEST(Overview, SeesNoForeignUseInWhatTheCommandStartsAsAnotherAccount) {
  Scene scene(1);
  scene.hold({.id = "mine", .uid = kAlice, .holder = 9});
  const Overview view = overview_of(
      scene,
      {reading(0, {{.pid = 2, .uid = kBob, .reservation_id = std::nullopt, .ancestors = {8, 9, 1}},
                   {.pid = 3, .uid = kBob, .reservation_id = std::nullopt, .ancestors = {8, 1}},
                   {.pid = 4, .uid = kBob, .reservation_id = "other", .ancestors = {9, 1}},
                   {.pid = 5, .uid = kBob, .reservation_id = "mine", .ancestors = {9, 1}}})});
  EXPECT_EQ(pids_of(view.gpus[0].foreign), (Gpus{3, 4}));
}

TEST(Overview, SeesNoForeignUseBelowTheThreshold) {
  Scene scene(1);
  scene.hold({.id = "mine", .uid = kAlice, .holder = 9});
  const Overview view = overview_of(
      scene, {reading(0, {{.pid = 1, .uid = kAlice}, {.pid = 2, .uid = kBob, .memory_mib = 100}})});
  EXPECT_TRUE(view.gpus[0].foreign.empty());
}

TEST(Overview, ShowsTheLeftoversOfARunWhoseCommandHasEnded) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9, .supervisor = 10, .leftovers = {11}});
  scene.liveness.set(9, Liveness::Gone);
  const Overview view = overview_of(scene, {reading(0, {{.pid = 11}, {.pid = 12}})});
  EXPECT_TRUE(view.gpus[0].command_ended);
  EXPECT_EQ(pids_of(view.gpus[0].leftovers), Gpus{11});
}

TEST(Overview, ShowsNoLeftoversWhileTheCommandLives) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9, .supervisor = 10, .leftovers = {11}});
  const Overview view = overview_of(scene, {reading(0, {{.pid = 11}})});
  EXPECT_FALSE(view.gpus[0].command_ended);
  EXPECT_TRUE(view.gpus[0].leftovers.empty());
}

// Without a supervisor the command has not begun, and the grant is about to be taken back.
TEST(Overview, ShowsNoEndOfACommandThatNeverBegan) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9});
  scene.liveness.set(9, Liveness::Gone);
  EXPECT_FALSE(overview_of(scene, {reading(0)}).gpus[0].command_ended);
}

TEST(Overview, ShowsAnErrorWithItsReason) {
  const Scene scene(3);
  GpuReading silent = reading(2);
  silent.memory_used_mib.reset();
  const Overview view = overview_of(scene, {broken_reading(0, "GPU is lost"), silent});
  EXPECT_EQ(view.gpus[0].status, GpuStatus::Error);
  EXPECT_EQ(view.gpus[0].error, "GPU is lost");
  EXPECT_EQ(view.gpus[1].status, GpuStatus::Error);
  EXPECT_EQ(view.gpus[1].error, "not found by the GPU tool");
  EXPECT_EQ(view.gpus[2].status, GpuStatus::Error);
  EXPECT_NE(view.gpus[2].error, "");
}

TEST(Overview, ShowsUseOfAGpuWhoseMemoryCannotBeRead) {
  const Scene scene(1);
  GpuReading silent = reading(0, {{.pid = 5, .uid = kBob, .memory_mib = std::nullopt}});
  silent.memory_used_mib.reset();
  EXPECT_EQ(overview_of(scene, {silent}).gpus[0].status, GpuStatus::Unreserved);
}

TEST(Overview, ShowsADrainedGpuAsOutOfServiceWhateverIsOnIt) {
  Scene scene(1);
  scene.gpu(0).out_of_service = "fan";
  EXPECT_EQ(overview_of(scene, {reading(0, {{.uid = kBob}})}).gpus[0].status,
            GpuStatus::OutOfService);
  EXPECT_EQ(unobserved(scene).gpus[0].status, GpuStatus::OutOfService);
}

TEST(Overview, ShowsAReservationOnADrainedGpu) {
  Scene scene(1);
  scene.gpu(0).out_of_service = "fan";
  scene.hold({.holder = 9});
  EXPECT_EQ(overview_of(scene, {reading(0)}).gpus[0].status, GpuStatus::InUse);
}

TEST(Overview, AgreesWithObserveOnWhatMayBeGranted) {
  Scene scene(4);
  const std::vector<GpuReading> readings = {reading(0), reading(1, {{.uid = kBob}}),
                                            broken_reading(2, "GPU is lost")};
  scene.observe(scene.observation(readings));
  const Overview view = overview_of(scene, readings);
  for (const GpuOverview& gpu : view.gpus) {
    EXPECT_EQ(gpu.status == GpuStatus::Available, !gpu.gpu.unavailable) << gpu.gpu.index;
  }
}

// Rule 18: when the probe fails, status shows what the store knows.

TEST(Overview, ShowsReservationsWithoutObservation) {
  Scene scene(2);
  scene.hold({.id = "mine", .holder = 9});
  const Overview view = unobserved(scene);
  EXPECT_EQ(view.probe_failure, "nvidia-smi failed");
  EXPECT_EQ(view.gpus[0].status, GpuStatus::InUse);
  EXPECT_EQ(view.gpus[0].reading, std::nullopt);
  EXPECT_EQ(view.gpus[1].status, GpuStatus::NotReserved) << "it may be in use";
}

TEST(Overview, AnOldReadingShowsNoGpuAsAvailable) {
  const Scene scene(1);
  const Observation seen = scene.observation({reading(0)});
  EXPECT_EQ(overview(scene.pool, scene.given(&seen), "it hangs").gpus[0].status,
            GpuStatus::NotReserved);
}

// --- What whoever looks would get ---

std::vector<int> available_to(const Scene& scene, std::uint32_t uid,
                              const std::vector<GpuReading>& readings) {
  const Observation seen = scene.observation(readings);
  Overview view = overview(scene.pool, scene.given(&seen));
  Request asker;
  asker.account = account(uid);
  tell_available(view, scene.pool, seen, asker);
  std::vector<int> gpus;
  for (const GpuOverview& gpu : view.gpus) {
    if (gpu.available) gpus.push_back(gpu.gpu.index);
  }
  return gpus;
}

TEST(Available, IsWhatNobodyHasUsesOrWaitsFor) {
  Scene scene(7);
  scene.hold({.gpus = {0}, .holder = 9});
  scene.gpu(1).out_of_service = "fan";
  scene.ask({.id = "two", .uid = kBob, .gpu_ids = {0, 2}});
  EXPECT_EQ(available_to(scene, kAlice,
                         {reading(0), reading(1), reading(2), reading(3, {{.uid = kBob}}),
                          broken_reading(4, "GPU is lost"), reading(6)}),
            Gpus{6})
      << "GPU 5 is not seen";
}

TEST(Available, GoesByThePoolsPolicyAndNotByTheViewers) {
  Scene scene(1);
  const std::vector<GpuReading> readings = {reading(0, {{.uid = kBob, .memory_mib = 50}})};
  EXPECT_EQ(available_to(scene, kAlice, readings), Gpus{0});
  scene.pool.policy.process_threshold_mib = 10;
  EXPECT_EQ(available_to(scene, kAlice, readings), Gpus{});
}

TEST(Available, IsNothingBeyondTheLimit) {
  Scene scene(3);
  scene.hold({.gpus = {0}, .holder = 9});
  scene.pool.policy.limits = {Limits{}};
  scene.pool.policy.limits[0].gpus = 1;
  const std::vector<GpuReading> readings = {reading(0), reading(1), reading(2)};
  EXPECT_EQ(available_to(scene, kAlice, readings), Gpus{});
  EXPECT_EQ(available_to(scene, kBob, readings), (Gpus{1, 2}));
}

TEST(Overview, ShowsWhatTheStoreKnowsOfUnavailableGpusWithoutObservation) {
  Scene scene(2);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.gpu(1).unavailable = broken();
  const Overview view = unobserved(scene);
  EXPECT_NE(view.gpus[0].status, GpuStatus::Available);
  EXPECT_NE(view.gpus[1].status, GpuStatus::Available);
}

// Rule 4.

TEST(Overview, ShowsForWhomAnAvailableGpuIsHeld) {
  Scene scene(3);
  scene.hold({.gpus = {0}, .holder = 9});
  scene.ask({.id = "two", .uid = kBob, .label = "ann", .gpu_ids = {0, 1}});
  const Overview view = overview_of(scene, {reading(0), reading(1), reading(2)});
  EXPECT_EQ(view.gpus[1].status, GpuStatus::Available);
  EXPECT_EQ(view.gpus[1].held_for, "ann (bob)");
  EXPECT_EQ(view.gpus[1].held_position, 1);
  EXPECT_EQ(view.gpus[0].held_for, "");
  EXPECT_EQ(view.gpus[2].held_for, "");
  EXPECT_EQ(view.gpus[2].held_position, 0);
}

TEST(Overview, ShowsWhoHasLostAGpuToItsReservation) {
  Scene scene(2);
  scene.hold({.id = "bobs", .uid = kBob, .gpus = {0}, .holder = 9});
  scene.hold({.id = "alices", .gpus = {1}, .holder = 10});
  scene.pool.reservations[1].lost = {0};
  const Overview view = overview_of(scene, {reading(0), reading(1)});
  EXPECT_EQ(view.gpus[0].reservation->id, "bobs");
  ASSERT_EQ(view.gpus[0].lost_by.size(), 1U);
  EXPECT_EQ(view.gpus[0].lost_by[0].id, "alices");
  EXPECT_TRUE(view.gpus[1].lost_by.empty());
}

TEST(Overview, TellsWhoWaits) {
  Scene scene(1);
  scene.hold({.holder = 9});
  scene.ask({.id = "a"});
  scene.ask({.id = "b"});
  EXPECT_EQ(overview_of(scene, {reading(0)}).waiting, explain(scene.pool, scene.now()));
}

TEST(QueueOverview, PairsEachRequestWithItsDecision) {
  Scene scene(1);
  scene.hold({.holder = 9, .supervisor = 10});
  scene.ask({.id = "a", .note = "first"});
  scene.ask({.id = "b", .duration = hours(1)});
  const QueueOverview view = queue_overview(scene.pool, scene.now());
  ASSERT_EQ(view.entries.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(view.entries[i].request, scene.pool.queue[i]);
    EXPECT_EQ(view.entries[i].decision, scene.decision(scene.pool.queue[i].id));
  }
  EXPECT_EQ(view.now, scene.now());
}

TEST(QueueOverview, IsEmptyWhenNobodyWaits) {
  const Scene scene(1);
  EXPECT_TRUE(queue_overview(scene.pool, scene.now()).entries.empty());
}

}  // namespace
}  // namespace chg
