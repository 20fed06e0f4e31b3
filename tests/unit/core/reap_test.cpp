// Rules 8-13: what is over, when it ended, and what keeps it.
#include "core/reap.h"

#include <gtest/gtest.h>

#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kCommand = 10;
constexpr int kSupervisor = 11;
constexpr int kLeftover = 12;

// One GPU, run by alice since an hour: command 10, supervisor 11.
class ReapRun : public ::testing::Test {
 protected:
  void hold_run(std::vector<int> leftovers = {}, Duration silent = Duration::zero()) {
    scene_.hold({.id = "run",
                 .gpus = {0},
                 .age = hours(1),
                 .silent = silent,
                 .holder = kCommand,
                 .supervisor = kSupervisor,
                 .leftovers = std::move(leftovers)});
  }

  void kill_command_and_supervisor() {
    scene_.liveness.set({kCommand, kSupervisor}, Liveness::Gone);
  }

  bool goes_on() const { return find_reservation(scene_.pool, "run") != nullptr; }

  UsageRecord record() const {
    const std::vector<UsageRecord> records = usage_of(scene_.pool.events);
    EXPECT_EQ(records.size(), 1U);
    return records.empty() ? UsageRecord{} : records.front();
  }

  Reservation& run() { return *find_reservation(scene_.pool, "run"); }

  Scene scene_{2};
};

TEST_F(ReapRun, GoesOnWhileItsCommandLives) {
  hold_run({}, hours(40));
  scene_.liveness.set(kSupervisor, Liveness::Gone);
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, GoesOnWhileItsCommandIsStopped) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Stopped);
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, GoesOnThoughItsTimeoutHasStruckWhileItsCommandLives) {
  hold_run();
  run().ends = scene_.now().wall - minutes(1);
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

// A heartbeat never overrides a fact that can be checked (rule 11).
TEST_F(ReapRun, EndsThoughItsHeartbeatIsFreshWhenItsCommandIsGoneBeforeASupervisorCame) {
  hold_run();
  run().supervisor.reset();
  scene_.liveness.set(kCommand, Liveness::Gone);
  scene_.reap();
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(record().end, EndReason::Lost);
  EXPECT_EQ(record().ended, scene_.now().wall);
}

TEST_F(ReapRun, EndsAtItsLastHeartbeatWhenItsCommandIsOutOfSightAndSilent) {
  hold_run({}, minutes(5) + seconds(1));
  scene_.liveness.set(kCommand, Liveness::Unseen);
  scene_.reap();
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(record().end, EndReason::Lost);
  EXPECT_EQ(record().ended, scene_.now().wall - minutes(5) - seconds(1));
}

TEST_F(ReapRun, GoesOnOutOfSightWhileItsHeartbeatIsFresh) {
  hold_run({}, minutes(5));
  scene_.liveness.set(kCommand, Liveness::Unseen);
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

class AwaitsObservation : public ReapRun {
 protected:
  bool awaits() { return awaits_observation(run(), scene_.pool.policy, scene_.given()); }
};

TEST_F(AwaitsObservation, WhenCommandAndSupervisorAreGone) {
  hold_run();
  kill_command_and_supervisor();
  EXPECT_TRUE(awaits());
}

TEST_F(AwaitsObservation, WhenTheSupervisorOfAnEndedCommandIsStopped) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Gone);
  scene_.liveness.set(kSupervisor, Liveness::Stopped);
  EXPECT_TRUE(awaits());
}

TEST_F(AwaitsObservation, WhenTheSupervisorOfAnEndedCommandIsSilentForTooLong) {
  hold_run({}, minutes(5) + seconds(1));
  scene_.liveness.set(kCommand, Liveness::Gone);
  EXPECT_TRUE(awaits());
}

TEST_F(AwaitsObservation, NotWhileTheSupervisorLooksAfterIt) {
  hold_run({}, minutes(5));
  scene_.liveness.set(kCommand, Liveness::Gone);
  EXPECT_FALSE(awaits());
}

TEST_F(AwaitsObservation, NotWhileTheCommandLives) {
  hold_run();
  scene_.liveness.set(kSupervisor, Liveness::Gone);
  EXPECT_FALSE(awaits());
}

TEST_F(AwaitsObservation, NotAfterARebootWhichEndsItAnyway) {
  hold_run();
  kill_command_and_supervisor();
  scene_.clock.reboot();
  EXPECT_FALSE(awaits());
}

TEST_F(AwaitsObservation, NotBeforeASupervisorCame) {
  hold_run();
  run().supervisor.reset();
  scene_.liveness.set(kCommand, Liveness::Gone);
  EXPECT_FALSE(awaits());
}

TEST_F(ReapRun, FollowsTheHeartbeatTimeoutOfThePolicy) {
  hold_run({}, minutes(5));
  scene_.pool.policy.heartbeat_timeout = minutes(4);
  scene_.liveness.set(kCommand, Liveness::Unseen);
  scene_.reap();
  EXPECT_FALSE(goes_on());
}

// Rule 13: a step of the wall clock ages no heartbeat.
TEST_F(ReapRun, GoesOnOutOfSightThoughTheWallClockSteps) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Unseen);
  scene_.clock.step_wall(hours(24));
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, AgesHeartbeatsThoughTheWallClockStepsBack) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Unseen);
  scene_.clock.advance(minutes(6));
  scene_.clock.step_wall(-hours(24));
  scene_.reap();
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, EndsAtItsLastHeartbeatWhenTheHostHasRebooted) {
  hold_run({}, seconds(30));
  const WallTime last = run().last_heartbeat.wall;
  scene_.clock.reboot();
  scene_.liveness.set({kCommand, kSupervisor}, Liveness::Gone);
  scene_.reap();
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(record().end, EndReason::Lost);
  EXPECT_EQ(record().ended, last);
}

// By its id, of another boot: the clocks of this host tell whether it has booted since.
TEST_F(ReapRun, EndsAtItsLastHeartbeatWhenTheClocksConfirmTheReboot) {
  hold_run({}, seconds(30));
  const WallTime last = run().last_heartbeat.wall;
  scene_.clock.reboot();
  scene_.liveness.set({kCommand, kSupervisor}, Liveness::OtherBoot);
  scene_.reap();
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(record().ended, last);
}

TEST_F(ReapRun, EndsAfterARebootThoughTheWallClockWasSetBack) {
  hold_run();
  scene_.clock.reboot();
  scene_.clock.step_wall(-hours(24));
  scene_.liveness.set({kCommand, kSupervisor}, Liveness::OtherBoot);
  scene_.reap();
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, GoesOnUnderAnotherBootIdWhileTheHostHasNotBooted) {
  hold_run();
  run().holder->boot_id = "of a container";
  run().last_heartbeat.boot_id = "of a container";
  scene_.liveness.set({kCommand, kSupervisor}, Liveness::OtherBoot);
  scene_.clock.advance(minutes(5));
  scene_.reap();
  EXPECT_TRUE(goes_on());
  scene_.clock.advance(seconds(1));
  scene_.reap();
  EXPECT_FALSE(goes_on());
}

// Found by tests/sim: a wall clock that was ahead ended it, where the boot id was another.
TEST_F(ReapRun, GoesOnOutOfSightForOneWithAnotherBootIdAndAnotherWallClock) {
  hold_run();
  for (const Liveness state : {Liveness::Unseen, Liveness::OtherBoot}) {
    scene_.liveness.set({kCommand, kSupervisor}, state);
    Circumstances given = scene_.given();
    given.now.boot_id = "of a container";
    given.now.wall += hours(10'000);
    reap(scene_.pool, given);
    EXPECT_TRUE(goes_on());
  }
  Circumstances later = scene_.given();
  later.now.boot_id = "of a container";
  later.now.wall -= hours(10'000);
  later.now.boot += minutes(6);
  reap(scene_.pool, later);
  EXPECT_FALSE(goes_on()) << "it was silent for too long";
}

TEST_F(ReapRun, GoesOnWhileNobodyTellsWhetherItsCommandHasThePid) {
  hold_run({}, hours(9));
  scene_.liveness.set({kCommand, kSupervisor}, Liveness::Hidden);
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, GoesOnWhileAProcessOnItsGpuIsHidden) {
  hold_run();
  kill_command_and_supervisor();
  scene_.liveness.set(kLeftover, Liveness::Hidden);
  const Observation seen =
      scene_.observation({reading(0, {{.pid = kLeftover, .reservation_id = "run"}}), reading(1)});
  scene_.reap(&seen);
  EXPECT_TRUE(goes_on());
}

// What uses it may be of the job.
TEST_F(ReapRun, GoesOnWhileItsGpuIsInUseAndListsNoProcesses) {
  hold_run();
  kill_command_and_supervisor();
  GpuReading unlisted = reading(0, {}, 5000);
  unlisted.processes_not_supported = true;
  const Observation in_use = scene_.observation({unlisted, reading(1)});
  scene_.reap(&in_use);
  EXPECT_TRUE(goes_on());
  unlisted.memory_used_mib = 5;
  const Observation free = scene_.observation({unlisted, reading(1)});
  scene_.reap(&free);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, IsLeftToASupervisorThatIsHidden) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Gone);
  scene_.liveness.set(kSupervisor, Liveness::Hidden);
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_TRUE(goes_on());
  scene_.clock.advance(minutes(6));
  const Observation later = scene_.observation({reading(0), reading(1)});
  scene_.reap(&later);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, IsLeftToASupervisorThatIsAlive) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Gone);
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, IsNotLeftToASupervisorThatIsSilent) {
  hold_run({}, minutes(6));
  scene_.liveness.set(kCommand, Liveness::Gone);
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, IsNotLeftToASupervisorThatIsStopped) {
  hold_run();
  scene_.liveness.set(kCommand, Liveness::Gone);
  scene_.liveness.set(kSupervisor, Liveness::Stopped);
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, GoesOnWithoutCommandAndSupervisorWhileNobodyHasLooked) {
  hold_run();
  kill_command_and_supervisor();
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, EndsWithoutCommandAndSupervisorWhenNothingIsLeft) {
  hold_run();
  kill_command_and_supervisor();
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(record().end, EndReason::Lost);
  EXPECT_EQ(record().ended, scene_.now().wall);
}

TEST_F(ReapRun, EndsAsWasSaidByWhoeverEndedItsJob) {
  hold_run();
  run().ending = EndReason::TimedOut;
  kill_command_and_supervisor();
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_EQ(record().end, EndReason::TimedOut);
}

TEST_F(ReapRun, GoesOnForLeftoversAndNotesThem) {
  hold_run();
  kill_command_and_supervisor();
  const Observation seen =
      scene_.observation({reading(0, {{.pid = kLeftover, .reservation_id = "run"}}), reading(1)});
  scene_.reap(&seen);
  ASSERT_TRUE(goes_on());
  EXPECT_EQ(run().leftovers, std::vector{process(kLeftover)});
}

TEST_F(ReapRun, GoesOnForTheProcessesOfItsAccountWhereTheEnvironmentIsHidden) {
  hold_run();
  kill_command_and_supervisor();
  const Observation seen = scene_.observation(
      {reading(0, {{.pid = kLeftover, .uid = kAlice, .reservation_id = std::nullopt}}),
       reading(1)});
  scene_.reap(&seen);
  EXPECT_TRUE(goes_on());
}

// Found by tests/sim: it ended, although the process may be of its job.
TEST_F(ReapRun, GoesOnWhileNobodyTellsWhoseProcessIsOnItsGpu) {
  hold_run();
  kill_command_and_supervisor();
  const Observation hidden = scene_.observation(
      {reading(0, {{.pid = kLeftover, .uid = std::nullopt, .reservation_id = std::nullopt}}),
       reading(1)});
  scene_.reap(&hidden);
  EXPECT_TRUE(goes_on());
  const Observation elsewhere = scene_.observation(
      {reading(0),
       reading(1, {{.pid = kLeftover, .uid = std::nullopt, .reservation_id = std::nullopt}})});
  scene_.reap(&elsewhere);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, EndsThoughOthersUseItsGpu) {
  hold_run();
  kill_command_and_supervisor();
  const Observation seen =
      scene_.observation({reading(0, {{.pid = 90, .uid = kBob, .reservation_id = std::nullopt},
                                      {.pid = 91, .uid = kAlice, .reservation_id = "other"},
                                      {.pid = 92, .uid = kAlice, .reservation_id = ""}}),
                          reading(1)});
  scene_.reap(&seen);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, EndsThoughItsProcessIsSeenOnAGpuThatItDoesNotHave) {
  hold_run();
  kill_command_and_supervisor();
  const Observation seen =
      scene_.observation({reading(0), reading(1, {{.pid = kLeftover, .reservation_id = "run"}})});
  scene_.reap(&seen);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, EndsWhenTheProcessThatWasSeenHasEndedSince) {
  hold_run();
  kill_command_and_supervisor();
  scene_.liveness.set(kLeftover, Liveness::Gone);
  const Observation seen =
      scene_.observation({reading(0, {{.pid = kLeftover, .reservation_id = "run"}}), reading(1)});
  scene_.reap(&seen);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, GoesOnWhileAGpuOfItsOwnCannotBeRead) {
  hold_run();
  kill_command_and_supervisor();
  const Observation broken = scene_.observation({broken_reading(0, "GPU is lost"), reading(1)});
  scene_.reap(&broken);
  EXPECT_TRUE(goes_on());
  const Observation missing = scene_.observation({reading(1)});
  scene_.reap(&missing);
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, EndsThoughAGpuOfOthersCannotBeRead) {
  hold_run();
  kill_command_and_supervisor();
  const Observation seen = scene_.observation({reading(0), broken_reading(1, "GPU is lost")});
  scene_.reap(&seen);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, GoesOnWhileAKnownLeftoverLives) {
  hold_run({kLeftover});
  kill_command_and_supervisor();
  scene_.reap();
  EXPECT_TRUE(goes_on());
}

TEST_F(ReapRun, EndsWhenItsKnownLeftoversAreGone) {
  hold_run({kLeftover});
  kill_command_and_supervisor();
  scene_.liveness.set(kLeftover, Liveness::Gone);
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_FALSE(goes_on());
}

// What was seen before the run even began says nothing of what it left behind.
TEST_F(ReapRun, IsNotEndedByALookFromBeforeItsStart) {
  const Observation old = scene_.observation({reading(0), reading(1)});
  scene_.clock.advance(seconds(8));
  scene_.hold({.id = "run", .age = seconds(2), .holder = kCommand, .supervisor = kSupervisor});
  kill_command_and_supervisor();
  scene_.reap(&old);
  EXPECT_TRUE(goes_on());
}

// Rule 8: what lives on without the GPUs is no reason to stay.
TEST_F(ReapRun, EndsWhenALookShowsThatItsLeftoversUseItsGpusNoMore) {
  hold_run({kLeftover});
  kill_command_and_supervisor();
  scene_.clock.advance(minutes(1));
  const Observation nothing_there = scene_.observation({reading(0), reading(1)});
  scene_.reap(&nothing_there);
  EXPECT_FALSE(goes_on());
}

TEST_F(ReapRun, EndsOnAllItsGpusWithARecordEach) {
  scene_.hold({.id = "run", .gpus = {0, 1}, .age = hours(1), .holder = kCommand});
  scene_.liveness.set(kCommand, Liveness::Gone);
  scene_.reap();
  ASSERT_EQ(usage_of(scene_.pool.events).size(), 2U);
  EXPECT_EQ(usage_of(scene_.pool.events)[0].gpu, 0);
  EXPECT_EQ(usage_of(scene_.pool.events)[1].gpu, 1);
  EXPECT_EQ(scene_.gpu(1).last_released, scene_.now());
}

// Rule 10: manual reservations.

TEST(ReapManual, EndsAtItsExpiryWheneverSomebodyNotices) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  const Instant expiry{scene.now().wall + hours(1), scene.now().boot + hours(1), "boot"};
  scene.clock.advance(hours(9));
  scene.reap();
  ASSERT_EQ(usage_of(scene.pool.events).size(), 1U);
  EXPECT_EQ(usage_of(scene.pool.events)[0].ended, expiry.wall);
  EXPECT_EQ(usage_of(scene.pool.events)[0].end, EndReason::Expired);
  EXPECT_EQ(scene.gpu(0).last_released, expiry);
}

TEST(ReapManual, GoesOnUntilItsExpiry) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.clock.advance(hours(1) - seconds(1));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

// Rule 13: both clocks have to say so.
TEST(ReapManual, GoesOnUnderAWallClockThatIsAheadForAsLongAsWasAsked) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  const Instant expiry{scene.now().wall + hours(1), scene.now().boot + hours(1), "boot"};
  scene.clock.step_wall(hours(2));
  scene.clock.advance(hours(1) - seconds(1));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  const std::vector<UsageRecord> used = usage_of(scene.pool.events);
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].ended, expiry.wall);
  EXPECT_EQ(scene.gpu(0).last_released, expiry);
}

TEST(ReapManual, ExpiresByAWallClockThatWasSetBackBecausePeopleSayItSo) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.clock.step_wall(-hours(2));
  scene.clock.advance(hours(3) - seconds(1));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
  EXPECT_EQ(scene.gpu(0).last_released->boot, scene.now().boot);
}

TEST(ReapManual, ExpiresByTheWallClockAloneAfterAReboot) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.clock.reboot();
  scene.clock.advance(minutes(58));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

// Found by tests/sim: it expired.
TEST(ReapManual, GoesOnForOneWithAnotherBootIdWhoseWallClockIsAhead) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  Circumstances given = scene.given();
  given.now.boot_id = "of a container";
  given.now.wall += hours(2);
  reap(scene.pool, given);
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  given.now.boot += hours(1);
  reap(scene.pool, given);
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

TEST(ReapManual, WhoseExpiryWasMovedLastsLongerOnBothClocks) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  *find_reservation(scene.pool, "m")->ends += hours(1);
  scene.clock.step_wall(hours(24));
  scene.clock.advance(hours(2) - seconds(1));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

TEST(TimeToExpiry, IsTheLongerOfWhatTheClocksSay) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  const Reservation& manual = *find_reservation(scene.pool, "m");
  EXPECT_EQ(time_to_expiry(manual, scene.now()), hours(1));
  scene.clock.step_wall(hours(2));
  EXPECT_EQ(time_to_expiry(manual, scene.now()), hours(1));
  scene.clock.step_wall(-hours(3));
  EXPECT_EQ(time_to_expiry(manual, scene.now()), hours(2));
  scene.hold({.id = "endless", .kind = ReservationKind::Manual});
  EXPECT_EQ(time_to_expiry(*find_reservation(scene.pool, "endless"), scene.now()), std::nullopt);
}

TEST(ReapManual, OutlivesAReboot) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.clock.reboot();
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
}

TEST(ReapManual, WithoutExpiryAndHolderGoesOn) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual});
  scene.clock.advance(hours(24 * 365));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
}

TEST(ReapManual, IsLostWhenItsWaiterDiesBeforeTakingIt) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 20});
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.liveness.set(20, Liveness::Gone);
  scene.reap();
  ASSERT_EQ(usage_of(scene.pool.events).size(), 1U);
  EXPECT_EQ(usage_of(scene.pool.events)[0].end, EndReason::Lost);
}

// Found by tests/sim: it was charged until somebody noticed.
TEST(ReapManual, EndsAtItsExpiryThoughItsWaiterDiedBeforeTakingIt) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 20});
  const WallTime expiry = scene.now().wall + hours(1);
  scene.liveness.set(20, Liveness::Gone);
  scene.clock.advance(hours(48));
  scene.reap();
  ASSERT_EQ(usage_of(scene.pool.events).size(), 1U);
  EXPECT_EQ(usage_of(scene.pool.events)[0].ended, expiry);
  EXPECT_EQ(usage_of(scene.pool.events)[0].end, EndReason::Expired);
}

TEST(ReapManual, IsLostWhenItsWaiterIsOutOfSightAndSilent) {
  Scene scene(1);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 20});
  scene.liveness.set(20, Liveness::Unseen);
  scene.clock.advance(minutes(5));
  scene.reap();
  EXPECT_NE(find_reservation(scene.pool, "m"), nullptr);
  scene.clock.advance(seconds(1));
  scene.reap();
  EXPECT_EQ(find_reservation(scene.pool, "m"), nullptr);
}

TEST(Reap, EndsEverythingThatIsOverAndNothingElse) {
  Scene scene(4);
  scene.hold({.id = "over", .kind = ReservationKind::Manual, .gpus = {0}, .ends_in = minutes(1)});
  scene.hold({.id = "goes-on", .kind = ReservationKind::Manual, .gpus = {1}, .ends_in = hours(1)});
  scene.hold({.id = "dead", .gpus = {2}, .holder = 30});
  scene.hold({.id = "alive", .gpus = {3}, .holder = 31});
  scene.liveness.set(30, Liveness::Gone);
  scene.clock.advance(minutes(2));
  scene.reap();
  ASSERT_EQ(scene.pool.reservations.size(), 2U);
  EXPECT_EQ(scene.pool.reservations[0].id, "goes-on");
  EXPECT_EQ(scene.pool.reservations[1].id, "alive");
}

TEST(Reap, ChangesNothingWhereNothingIsOver) {
  Scene scene(2);
  scene.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  scene.ask({.id = "waits", .gpu_ids = {0}});
  const Pool before = scene.pool;
  scene.reap();
  EXPECT_EQ(scene.pool, before);
}

// Rule 11: from where it can't be seen who lives, nothing is over, not even by its heartbeat.
TEST(Reap, EndsNothingWhereNobodyCanJudge) {
  Scene scene(4);
  scene.hold({.id = "over", .kind = ReservationKind::Manual, .gpus = {0}, .ends_in = minutes(1)});
  scene.hold({.id = "dead", .gpus = {1}, .holder = 30});
  scene.hold({.id = "silent", .gpus = {2}, .holder = 31});
  scene.hold({.id = "orphan", .gpus = {3}, .holder = 32, .supervisor = 33});
  scene.ask({.id = "gone", .pid = 34});
  scene.liveness.set({30, 32, 33, 34}, Liveness::Gone);
  scene.liveness.set(31, Liveness::Unseen);
  scene.clock.advance(minutes(9));
  const Observation idle = scene.observation({reading(0), reading(1), reading(2), reading(3)});
  scene.can_judge = false;
  const Pool before = scene.pool;
  scene.reap(&idle);
  drop_gone_waiters(scene.pool, scene.given());
  EXPECT_EQ(scene.pool, before);
  EXPECT_FALSE(awaits_observation(*find_reservation(scene.pool, "orphan"), scene.pool.policy,
                                  scene.given()));
  scene.can_judge = true;
  scene.reap(&idle);
  drop_gone_waiters(scene.pool, scene.given());
  EXPECT_TRUE(scene.pool.reservations.empty() && scene.pool.queue.empty());
}

// Waiters.

TEST(DropGoneWaiters, DropsThoseThatAreGoneAndKeepsTheOthers) {
  Scene scene(1);
  scene.hold({});
  scene.ask({.id = "dead", .pid = 40});
  scene.ask({.id = "alive", .pid = 41});
  scene.ask({.id = "stopped", .pid = 42});
  scene.ask({.id = "far", .pid = 43});
  scene.liveness.set(40, Liveness::Gone);
  scene.liveness.set(42, Liveness::Stopped);
  scene.liveness.set(43, Liveness::Unseen);
  drop_gone_waiters(scene.pool, scene.given());
  EXPECT_EQ(scene.waiting(), (Ids{"alive", "stopped", "far"}));
  scene.clock.advance(minutes(6));
  drop_gone_waiters(scene.pool, scene.given());
  EXPECT_EQ(scene.waiting(), (Ids{"alive", "stopped"}));
}

TEST(IsGone, HeartbeatNeverOverridesAFactThatCanBeChecked) {
  Scene scene(1);
  const auto gone = [&](Liveness state, Duration silent) {
    scene.liveness.set(50, state);
    return is_gone(process(50), scene.ago(silent), scene.pool.policy, scene.given());
  };
  EXPECT_FALSE(gone(Liveness::Alive, hours(9)));
  EXPECT_FALSE(gone(Liveness::Stopped, hours(9)));
  EXPECT_TRUE(gone(Liveness::Gone, seconds(0)));
  EXPECT_FALSE(gone(Liveness::Unseen, minutes(5)));
  EXPECT_TRUE(gone(Liveness::Unseen, minutes(5) + seconds(1)));
  EXPECT_FALSE(gone(Liveness::Hidden, hours(9)));
  EXPECT_FALSE(gone(Liveness::OtherBoot, minutes(5)));
  EXPECT_TRUE(gone(Liveness::OtherBoot, hours(101)));  // before the host booted
}

// Observations held against the pool (rules 16, 18).

TEST(Observe, MakesAGpuInUnreservedUseUnavailableAndNamesTheUsers) {
  Scene scene(1);
  scene.observe(scene.observation(
      {reading(0, {{.pid = 1, .uid = kBob}, {.pid = 2, .uid = kCarol}, {.pid = 3, .uid = kBob}})}));
  const Unavailability expected{
      Unavailability::Kind::UnreservedUse, scene.now(), "by bob and carol", {kBob, kCarol}};
  EXPECT_EQ(scene.gpu(0).unavailable, expected);
}

TEST(Observe, LeavesAFreeGpuAvailable) {
  Scene scene(1);
  scene.observe(scene.observation({reading(0)}));
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt);
}

TEST(Observe, MakesAGpuAvailableAgain) {
  Scene scene(1);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.observe(scene.observation({reading(0)}));
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt);
}

TEST(Observe, NamesNobodyWhereAUserIsUnknown) {
  Scene scene(1);
  scene.observe(scene.observation(
      {reading(0, {{.pid = 1, .uid = kAlice}, {.pid = 2, .uid = std::nullopt}})}));
  ASSERT_TRUE(scene.gpu(0).unavailable);
  EXPECT_EQ(scene.gpu(0).unavailable->uids, std::vector<std::uint32_t>{});
  EXPECT_EQ(scene.gpu(0).unavailable->what, "by alice and unknown user");
}

TEST(Observe, NamesNobodyWhereMemoryBelongsToNoListedProcess) {
  Scene scene(1);
  scene.observe(scene.observation({reading(0, {{.uid = kAlice}}, 2000)}));
  ASSERT_TRUE(scene.gpu(0).unavailable);
  EXPECT_EQ(scene.gpu(0).unavailable->uids, std::vector<std::uint32_t>{});
}

TEST(Observe, MakesWhatCannotBeReadAnError) {
  Scene scene(3);
  GpuReading silent = reading(2);
  silent.memory_used_mib.reset();
  scene.observe(scene.observation({broken_reading(0, "GPU is lost"), silent}));
  for (const int gpu : {0, 1, 2}) {
    ASSERT_TRUE(scene.gpu(gpu).unavailable) << gpu;
    EXPECT_EQ(scene.gpu(gpu).unavailable->kind, Unavailability::Kind::Error) << gpu;
  }
  EXPECT_EQ(scene.gpu(0).unavailable->what, "GPU is lost");
  EXPECT_EQ(scene.gpu(1).unavailable->what, "not found by the GPU tool");
}

TEST(Observe, OneBrokenGpuDoesNotHideTheOthers) {
  Scene scene(2);
  scene.observe(scene.observation({broken_reading(0, "GPU is lost"), reading(1)}));
  EXPECT_EQ(scene.gpu(1).unavailable, std::nullopt);
}

TEST(Observe, LeavesAReservedGpuAlone) {
  Scene scene(1);
  scene.hold({.holder = 9});
  scene.gpu(0).unavailable = use_by({kBob});
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt);
}

TEST(Observe, FindsAGpuByItsUuidThoughItsIndexHasMoved) {
  Scene scene(2);
  GpuReading moved = reading(1, {{.uid = kBob}});
  moved.index = 0;  // as the tool counts since GPU 0 fell off the bus
  scene.observe(scene.observation({moved}));
  EXPECT_EQ(scene.gpu(0).unavailable->kind, Unavailability::Kind::Error);
  EXPECT_EQ(scene.gpu(1).unavailable->kind, Unavailability::Kind::UnreservedUse);
}

TEST(Observe, KeepsTheTimeWhenItWasFirstSeen) {
  Scene scene(1);
  const Instant first = scene.now();
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  scene.clock.advance(minutes(1));
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  EXPECT_EQ(scene.gpu(0).unavailable->seen, first);
}

TEST(Observe, SetsTheTimeAnewForAnotherReason) {
  Scene scene(1);
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  scene.clock.advance(minutes(1));
  scene.observe(scene.observation({reading(0, {{.uid = kCarol}})}));
  EXPECT_EQ(scene.gpu(0).unavailable->seen, scene.now());
}

// What was seen before the release is the old reservation's use.
TEST(Observe, LearnsNothingFromALookThatIsOlderThanTheRelease) {
  Scene scene(1);
  scene.hold({.id = "bobs", .uid = kBob});
  const Observation old = scene.observation({reading(0, {{.uid = kBob}})});
  scene.clock.advance(seconds(1));
  scene.end("bobs");
  scene.observe(old);
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt);
}

TEST(Observe, LearnsFromALookAfterTheRelease) {
  Scene scene(1);
  scene.hold({.id = "bobs", .uid = kBob});
  scene.end("bobs");
  scene.clock.advance(seconds(1));
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  EXPECT_NE(scene.gpu(0).unavailable, std::nullopt);
}

// Two commands look at about the same time, and the one that looked first writes last.
TEST(Observe, OlderLookDoesNotHideWhatALaterOneSaw) {
  Scene scene(1);
  const Observation earlier = scene.observation({reading(0)});
  scene.clock.advance(seconds(1));
  scene.observe(scene.observation({reading(0, {{.uid = kBob}})}));
  scene.observe(earlier);
  EXPECT_NE(scene.gpu(0).unavailable, std::nullopt);
}

// After a reboot the wall clock may be behind, by hours where the hardware clock has lost its time.
// Found by tests/sim.
TEST(Observe, LearnsFromALookAfterARebootThoughTheWallClockIsBehind) {
  Scene scene(2);
  scene.gpu(0).unavailable = use_by({kBob});
  scene.gpu(0).unavailable->seen = scene.now();
  scene.gpu(1).last_released = scene.now();
  scene.clock.reboot();
  scene.clock.step_wall(-hours(5));
  scene.observe(scene.observation({reading(0), reading(1, {{.uid = kBob}})}));
  EXPECT_EQ(scene.gpu(0).unavailable, std::nullopt) << "it is free now";
  EXPECT_NE(scene.gpu(1).unavailable, std::nullopt) << "somebody uses it now";
}

TEST(Covers, TrustsALookAfterARebootThoughTheWallClockIsBehind) {
  Scene scene(1);
  scene.gpu(0).last_released = scene.now();
  scene.clock.reboot();
  scene.clock.step_wall(-hours(5));
  EXPECT_TRUE(covers(scene.observation({reading(0)}), scene.pool, {0}));
}

TEST(Covers, GoesByTheWallClockWhereTheBootOfTheReleaseIsUnknown) {
  Scene scene(1);
  scene.gpu(0).last_released = scene.now();
  scene.gpu(0).last_released->boot_id.clear();
  scene.clock.step_wall(-hours(5));
  EXPECT_FALSE(covers(scene.observation({reading(0)}), scene.pool, {0}));
}

TEST(Covers, TrustsALookAfterTheRelease) {
  Scene scene(1);
  scene.gpu(0).last_released = scene.now();
  EXPECT_TRUE(covers(scene.observation({reading(0)}), scene.pool, {0}));
  scene.clock.advance(seconds(1));
  EXPECT_TRUE(covers(scene.observation({reading(0)}), scene.pool, {0}));
}

TEST(Covers, DoesNotTrustALookBeforeTheRelease) {
  Scene scene(2);
  const Observation seen = scene.observation({reading(0), reading(1)});
  scene.clock.advance(seconds(1));
  scene.gpu(1).last_released = scene.now();
  EXPECT_FALSE(covers(seen, scene.pool, {0, 1}));
  EXPECT_TRUE(covers(seen, scene.pool, {0}));
}

TEST(Covers, DoesNotTrustALookThatMissesAGpu) {
  Scene scene(2);
  EXPECT_FALSE(covers(scene.observation({reading(0)}), scene.pool, {0, 1}));
  EXPECT_FALSE(covers(scene.observation({reading(0)}), scene.pool, {5}));
}

TEST(Covers, GoesByTheBootClockWhereTheWallClockSteps) {
  Scene scene(1);
  const Observation seen = scene.observation({reading(0)});
  scene.clock.advance(seconds(1));
  scene.clock.step_wall(-hours(1));
  scene.gpu(0).last_released = scene.now();
  EXPECT_FALSE(covers(seen, scene.pool, {0}));
}

// The processes of a job.

TEST(JobProcesses, AreThoseOfItsAccountThatCarryItsId) {
  Scene scene(2);
  scene.hold({.id = "run", .uid = kAlice, .gpus = {0, 1}, .holder = 9});
  const Observation seen =
      scene.observation({reading(0, {{.pid = 1, .uid = kAlice, .reservation_id = "run"},
                                     {.pid = 2, .uid = kAlice, .reservation_id = "other"},
                                     {.pid = 3, .uid = kAlice, .reservation_id = ""},
                                     {.pid = 4, .uid = kAlice, .reservation_id = std::nullopt},
                                     {.pid = 5, .uid = kBob, .reservation_id = std::nullopt},
                                     {.pid = 6, .uid = kBob, .reservation_id = "run"},
                                     {.pid = 7, .uid = std::nullopt, .reservation_id = "run"}}),
                         reading(1, {{.pid = 1, .uid = kAlice, .reservation_id = "run"}})});
  Gpus pids;
  for (const GpuProcess& one : job_processes(scene.pool.reservations[0], scene.pool, seen)) {
    pids.push_back(one.pid);
  }
  EXPECT_EQ(pids, (Gpus{1, 4, 7}));
}

TEST(JobProcesses, AreThoseThatDescendFromTheCommandOrItsLeftovers) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9, .leftovers = {20}});
  const Observation seen =
      scene.observation({reading(0, {{.pid = 9},
                                     {.pid = 10, .ancestors = {9, 1}},
                                     {.pid = 11, .ancestors = {20, 1}},
                                     {.pid = 12, .ancestors = {8, 1}},
                                     {.pid = 13, .reservation_id = "other", .ancestors = {9, 1}},
                                     {.pid = 20, .uid = kBob, .reservation_id = std::nullopt}})});
  Gpus pids;
  for (const GpuProcess& one : job_processes(scene.pool.reservations[0], scene.pool, seen)) {
    pids.push_back(one.pid);
  }
  EXPECT_EQ(pids, (Gpus{9, 10, 11, 20}));
}

TEST(JobProcesses, AreThoseOfItsAccountAndOfRootWithItsMark) {
  Scene scene(1);
  scene.hold({.id = "run", .uid = kAlice, .holder = 9});
  Observation seen =
      scene.observation({reading(0, {{.pid = 10, .uid = kAlice, .reservation_id = ""},
                                     {.pid = 11, .uid = 0, .reservation_id = ""},
                                     {.pid = 12, .uid = kBob, .reservation_id = ""},
                                     {.pid = 13, .uid = kAlice, .reservation_id = "other"},
                                     {.pid = 14, .uid = kAlice, .reservation_id = ""}})});
  for (GpuProcess& process : seen.gpus[0].processes) process.job_mark = job_mark("run");
  seen.gpus[0].processes[4].job_mark = job_mark("other");
  Gpus pids;
  for (const GpuProcess& one : job_processes(scene.pool.reservations[0], scene.pool, seen)) {
    pids.push_back(one.pid);
  }
  EXPECT_EQ(pids, (Gpus{10, 11}));
}

TEST(JobProcesses, AreNotThoseOfAnotherNamespaceWithTheSamePids) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9});
  Observation seen = scene.observation({reading(0, {{.pid = 10, .ancestors = {9, 1}}})});
  seen.observer.pid_namespace = 8;
  EXPECT_TRUE(job_processes(scene.pool.reservations[0], scene.pool, seen).empty());
}

TEST(JobProcesses, LeaveOutGraphicsAndIgnoredPrograms) {
  Scene scene(1);
  scene.hold({.id = "run", .holder = 9});
  const Observation seen = scene.observation(
      {reading(0, {{.pid = 1, .type = GpuProcess::Type::Graphics, .reservation_id = "run"},
                   {.pid = 2, .uid = 0, .program = "Xorg", .reservation_id = "run"}})});
  EXPECT_TRUE(job_processes(scene.pool.reservations[0], scene.pool, seen).empty());
}

// What keeps a reservation.

TEST(Keepers, AreTheCommandAloneWhileItLives) {
  Scene scene(1);
  scene.hold({.holder = 1, .supervisor = 2, .leftovers = {3}});
  EXPECT_EQ(deciding_processes(scene.pool.reservations[0], scene.liveness),
            std::vector{process(1)});
}

// Alice's run on GPU 0, whose command is gone; its processes 20 and 21 live.
class UseBy : public ::testing::Test {
 protected:
  UseBy() {
    scene_.hold({.id = "run", .gpus = {0}, .holder = 10, .supervisor = 11});
    own_ = scene_.pool.reservations.front();
  }

  void expect(const std::vector<GpuReading>& readings,
              const std::vector<ProcessIdentity>& processes, const Gpus& gpus) const {
    const JobUse use = use_by_members(members_, own_, scene_.pool, scene_.observation(readings));
    EXPECT_EQ(use.processes, processes);
    EXPECT_EQ(use.gpus, gpus);
  }

  static GpuReading used(int index) {
    return reading(index, {{.pid = 21, .reservation_id = "run"}});
  }

  Scene scene_{2};
  Reservation own_;
  const std::vector<ProcessIdentity> members_ = {process(20), process(21)};
};

TEST_F(UseBy, IsWhatIsSeenOnItsGpus) {
  expect({reading(0), reading(1)}, {}, {});
  expect({used(0), reading(1)}, {process(21)}, {0});
  expect({reading(0), used(1)}, {}, {});  // another's GPU
}

TEST_F(UseBy, IsByAllWhereNobodySaysWhoseProcessIsThere) {
  GpuReading hidden = reading(0, {{.pid = 999, .uid = std::nullopt}});
  hidden.processes.front().start_ticks.reset();
  expect({hidden, reading(1)}, members_, {});
  expect({reading(0, {{.pid = 999, .uid = kBob}}), reading(1)}, {}, {});
}

TEST_F(UseBy, IsByAllWhereAGpuCannotBeSeen) { expect({reading(1)}, members_, {}); }

TEST_F(UseBy, CountsWhatTheRunHasReclaimedMeanwhile) {
  scene_.pool.reservations.front().gpus = {0, 1};
  expect({reading(0), used(1)}, {process(21)}, {1});
}

TEST(KeepingLeftovers, AreAllWithinTheGraceAndThenThoseThatUseTheGpus) {
  const std::vector<ProcessIdentity> members = {process(20), process(21)};
  const JobUse use{{process(21)}, {0}};
  EXPECT_EQ(keeping_leftovers(members, use, std::chrono::milliseconds(1)), members);
  EXPECT_EQ(keeping_leftovers(members, use, Duration::zero()), use.processes);
}

TEST(GraceLeft, IsForLeftoversThatAreKept) {
  EXPECT_EQ(grace_left(Leftovers::Keep, seconds(59), seconds(60)), seconds(1));
  EXPECT_EQ(grace_left(Leftovers::Keep, seconds(61), seconds(60)), Duration::zero());
  EXPECT_EQ(grace_left(Leftovers::Kill, seconds(1), seconds(60)), Duration::zero());
}

TEST(Keepers, AreTheLeftoversAndTheSupervisorAfterIt) {
  Scene scene(1);
  scene.hold({.holder = 1, .supervisor = 2, .leftovers = {3, 4}});
  scene.liveness.set({1, 4}, Liveness::Gone);
  EXPECT_EQ(deciding_processes(scene.pool.reservations[0], scene.liveness),
            (std::vector{process(3), process(2)}));
}

TEST(Keepers, AreNoneWhereOnlyTheExpiryTells) {
  Scene scene(1);
  scene.hold({.kind = ReservationKind::Manual, .ends_in = hours(1)});
  EXPECT_TRUE(deciding_processes(scene.pool.reservations[0], scene.liveness).empty());
}

TEST(Keepers, AreNoneWhoseEndCannotBeSeen) {
  Scene scene(1);
  scene.hold({.holder = 1, .supervisor = 2});
  scene.liveness.set({1, 2}, Liveness::Unseen);
  EXPECT_TRUE(deciding_processes(scene.pool.reservations[0], scene.liveness).empty());
}

}  // namespace
}  // namespace chg
