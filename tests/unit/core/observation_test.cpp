// Rule 15: when a GPU is in use.
#include "core/observation.h"

#include <gtest/gtest.h>

#include "support/pool_builder.h"

namespace chg {
namespace {

class InUse : public ::testing::Test {
 protected:
  bool in_use(const GpuReading& reading) const { return is_in_use(reading, policy_); }

  Policy policy_;
};

TEST_F(InUse, NotWhenNothingIsOnIt) { EXPECT_FALSE(in_use(reading(0))); }

TEST_F(InUse, WhenAProcessHoldsMoreThanTheThreshold) {
  EXPECT_TRUE(in_use(reading(0, {{.memory_mib = 101}})));
}

TEST_F(InUse, NotWhenAProcessHoldsNoMoreThanTheThreshold) {
  EXPECT_FALSE(in_use(reading(0, {{.memory_mib = 100}})));
}

TEST_F(InUse, WhenProcessesTogetherHoldMoreThanTheThreshold) {
  EXPECT_TRUE(in_use(reading(0, {{.pid = 1, .memory_mib = 60}, {.pid = 2, .memory_mib = 60}})));
}

TEST_F(InUse, WhenTheMemoryOfAProcessIsUnknown) {
  EXPECT_TRUE(in_use(reading(0, {{.memory_mib = std::nullopt}})));
}

TEST_F(InUse, NotForGraphicsProcesses) {
  EXPECT_FALSE(in_use(reading(0, {{.memory_mib = 5000, .type = GpuProcess::Type::Graphics}})));
}

TEST_F(InUse, NotForIgnoredProgramsOfTheSystem) {
  for (const std::uint32_t uid : {0U, 999U}) {
    EXPECT_FALSE(in_use(reading(0, {{.uid = uid, .program = "Xorg", .memory_mib = 1000}})));
  }
  EXPECT_FALSE(in_use(
      reading(0, {{.program = "a title", .memory_mib = 1000, .system_program = "gnome-shell"}})));
}

TEST_F(InUse, ForAnIgnoredNameThatAnybodyCanGiveHisProgram) {
  EXPECT_TRUE(in_use(reading(0, {{.uid = 1000, .program = "Xorg", .memory_mib = 1000}})));
  EXPECT_TRUE(in_use(reading(0, {{.uid = std::nullopt, .program = "Xorg", .memory_mib = 1000}})));
  EXPECT_TRUE(in_use(
      reading(0, {{.program = "Xorg", .memory_mib = 1000, .system_program = "python3.11"}})));
}

TEST_F(InUse, ForIgnoredProgramsThatTogetherLeaveNoRoom) {
  EXPECT_TRUE(in_use(reading(0, {{.uid = 0, .program = "Xorg", .memory_mib = 1025}})));
  EXPECT_TRUE(in_use(reading(0, {{.pid = 1, .uid = 0, .program = "Xorg", .memory_mib = 600},
                                 {.pid = 2, .uid = 0, .program = "X", .memory_mib = 600}})));
}

TEST_F(InUse, ForProgramsWhoseNamesOnlyBeginLikeIgnoredOnes) {
  EXPECT_TRUE(in_use(reading(0, {{.program = "Xorg2", .memory_mib = 5000}})));
}

TEST_F(InUse, FollowsTheIgnoredProgramsOfThePolicy) {
  policy_.ignore_processes = {"python3"};
  EXPECT_FALSE(in_use(reading(0, {{.uid = 0, .program = "python3"}})));
  EXPECT_TRUE(in_use(reading(0, {{.uid = 0, .program = "Xorg"}})));
}

TEST_F(InUse, WhenMemoryOfNoListedProcessExceedsTheThreshold) {
  EXPECT_TRUE(in_use(reading(0, {}, 1025)));
  EXPECT_TRUE(in_use(reading(0, {{.uid = 0, .program = "Xorg", .memory_mib = 300}}, 1025)));
}

TEST_F(InUse, NotWhenMemoryOfNoListedProcessIsBelowTheThreshold) {
  EXPECT_FALSE(in_use(reading(0, {}, 1024)));
  EXPECT_FALSE(in_use(reading(0, {{.uid = 0, .program = "Xorg", .memory_mib = 1000}}, 1024)));
}

TEST_F(InUse, FollowsTheThresholdsOfThePolicy) {
  policy_.process_threshold_mib = 5000;
  policy_.memory_threshold_mib = 5000;
  EXPECT_FALSE(in_use(reading(0, {{.memory_mib = 5000}}, 5000)));
  policy_.process_threshold_mib = 0;
  EXPECT_TRUE(in_use(reading(0, {{.memory_mib = 1}})));
}

// Unknown is never free.
TEST_F(InUse, WhenTheMemoryOfTheGpuCannotBeRead) {
  GpuReading silent = reading(0);
  silent.memory_used_mib.reset();
  EXPECT_TRUE(in_use(silent));
}

TEST_F(InUse, WhenAnIgnoredProcessHidesItsMemoryAndTheTotalExceedsTheThreshold) {
  EXPECT_TRUE(
      in_use(reading(0, {{.uid = 0, .program = "Xorg", .memory_mib = std::nullopt}}, 1025)));
}

TEST_F(InUse, NotWhenAnIgnoredProcessHidesItsMemoryAndTheTotalIsSmall) {
  EXPECT_FALSE(
      in_use(reading(0, {{.uid = 0, .program = "Xorg", .memory_mib = std::nullopt}}, 900)));
}

TEST_F(InUse, ByItsProcessesAloneWhereTheDriverDoesNotTellMemory) {
  GpuReading untold = reading(0);
  untold.memory_used_mib.reset();
  untold.memory_not_supported = true;
  EXPECT_FALSE(in_use(untold));
  untold.processes = reading(0, {{.memory_mib = 101}}).processes;
  EXPECT_TRUE(in_use(untold));
  untold.processes = reading(0, {{.memory_mib = std::nullopt}}).processes;
  EXPECT_TRUE(in_use(untold));
  untold.processes = reading(0, {{.memory_mib = 100}}).processes;
  EXPECT_FALSE(in_use(untold));
}

TEST_F(InUse, ByItsMemoryAloneWhereTheDriverListsNoProcesses) {
  GpuReading unlisted = reading(0, {}, 1024);
  unlisted.processes_not_supported = true;
  EXPECT_FALSE(in_use(unlisted));
  unlisted.memory_used_mib = 1025;
  EXPECT_TRUE(in_use(unlisted));
}

TEST_F(InUse, WhenOneOfItsMigDevicesIs) {
  GpuReading divided = reading(0, {}, 45);
  divided.mig_devices = {{"MIG-a", "", 1024, {}}, {"MIG-b", "", std::nullopt, {}}};
  EXPECT_FALSE(in_use(divided));
  divided.mig_devices[1].memory_used_mib = 1025;
  EXPECT_TRUE(in_use(divided));
}

// What they hold belongs to nobody here.
TEST_F(InUse, ByTheMemoryOfProcessesOfAnotherSystem) {
  GpuReading wsl = reading(0, {{.memory_mib = std::nullopt}});
  wsl.memory_used_mib = 1024;
  wsl.processes[0].outside = true;
  EXPECT_FALSE(in_use(wsl));
  EXPECT_TRUE(counted_processes(wsl, policy_).empty());
  wsl.memory_used_mib = 1025;
  EXPECT_TRUE(in_use(wsl));
  wsl.processes[0].memory_mib = 1000;
  EXPECT_TRUE(in_use(wsl));
}

TEST_F(InUse, NotForABrowserOfTheSystem) {
  const auto browser = [&](const std::string& file) {
    return in_use(reading(0, {{.program = "firefox", .memory_mib = 183, .system_program = file}}));
  };
  EXPECT_FALSE(browser("firefox"));
  EXPECT_TRUE(browser(""));
}

class Obstacles : public InUse {
 protected:
  std::string obstacle(const GpuReading& reading) const {
    const auto found = obstacle_of(reading, policy_);
    return found ? (found->is_final ? "for ever: " : "") + found->what : "";
  }
};

TEST_F(Obstacles, AreNoneOfAGpuThatWorks) {
  EXPECT_EQ(obstacle(reading(0)), "");
  EXPECT_EQ(obstacle(reading(0, {{.memory_mib = 5000}}, 5000)), "");
}

TEST_F(Obstacles, AreErrorsAndWhatTheDriverAsksFor) {
  GpuReading gpu = broken_reading(0, "GPU is lost");
  EXPECT_EQ(obstacle(gpu), "GPU is lost");
  gpu.error_is_final = true;
  EXPECT_EQ(obstacle(gpu), "for ever: GPU is lost");
  gpu = reading(0);
  gpu.notice = "a reset";
  EXPECT_EQ(obstacle(gpu), "");
  gpu.needs_reset = true;
  EXPECT_EQ(obstacle(gpu), "a reset");
}

TEST_F(Obstacles, AreUnreadMemoryOnlyWhereTheDriverShouldTellIt) {
  GpuReading gpu = reading(0);
  gpu.memory_used_mib.reset();
  EXPECT_EQ(obstacle(gpu), "its memory cannot be read");
  gpu.memory_not_supported = true;
  EXPECT_EQ(obstacle(gpu), "");
  gpu.processes_not_supported = true;
  EXPECT_EQ(obstacle(gpu), "for ever: its driver tells neither its memory nor its processes");
}

TEST(Notices, AreOfTheDriverAndOfUseWithoutProcess) {
  GpuReading gpu = reading(0);
  EXPECT_TRUE(notices_of(gpu).empty());
  gpu.utilization_percent = 93;
  gpu.notice = "odd";
  EXPECT_EQ(notices_of(gpu),
            (std::vector<std::string>{"odd",
                                      "93% busy without any process (a job may have just ended)"}));
  gpu.memory_used_mib = 101;
  EXPECT_EQ(notices_of(gpu), std::vector<std::string>{"odd"});
  gpu.memory_used_mib = 100;
  EXPECT_EQ(notices_of(gpu).size(), 2U);
  gpu.processes_not_supported = true;
  EXPECT_EQ(notices_of(gpu), std::vector<std::string>{"odd"});
  gpu.processes_not_supported = false;
  gpu.utilization_percent = 49;
  EXPECT_EQ(notices_of(gpu).size(), 1U);
  gpu = reading(0, {{.memory_mib = 5000}});
  gpu.utilization_percent = 93;
  EXPECT_TRUE(notices_of(gpu).empty());
}

TEST(Twins, AreRefusedAndNoOthers) {
  Observation seen{{}, {reading(0), reading(1), reading(2), reading(3), reading(4)}, {}, {}};
  seen.gpus[1].uuid = seen.gpus[0].uuid;
  seen.gpus[3].uuid = seen.gpus[4].uuid = "";
  refuse_twins(seen);
  for (const std::size_t twin : {0U, 1U}) {
    EXPECT_EQ(seen.gpus[twin].error, "two GPUs have the UUID GPU-0");
    EXPECT_TRUE(seen.gpus[twin].error_is_final);
  }
  for (const std::size_t other : {2U, 3U, 4U}) EXPECT_EQ(seen.gpus[other].error, "");
}

TEST(UnlistedMemory, IsWhatTheProcessesDoNotHold) {
  EXPECT_EQ(unlisted_memory_mib(reading(0, {{.memory_mib = 300}}, 44)), 44U);
}

TEST(UnlistedMemory, IsNeverNegative) {
  GpuReading odd = reading(0, {{.memory_mib = 300}});
  odd.memory_used_mib = 200;
  EXPECT_EQ(unlisted_memory_mib(odd), 0U);
}

TEST(UnlistedMemory, IsMissingWhereItCannotBeTold) {
  GpuReading silent = reading(0);
  silent.memory_used_mib.reset();
  EXPECT_EQ(unlisted_memory_mib(silent), std::nullopt);
  EXPECT_EQ(unlisted_memory_mib(reading(0, {{.memory_mib = std::nullopt}}, 44)), std::nullopt);
}

TEST(FindReading, GoesByTheUuidAndNotByTheIndex) {
  GpuReading moved = reading(3);
  moved.index = 0;
  const Observation seen{{}, {moved, reading(1)}, {}, {}};
  ASSERT_NE(find_reading(seen, "GPU-3", 3), nullptr);
  EXPECT_EQ(find_reading(seen, "GPU-3", 3)->index, 0);
  EXPECT_EQ(find_reading(seen, "GPU-0", 0), nullptr);
}

TEST(FindReading, GoesByTheIndexWhereTheDriverTellsNoUuid) {
  GpuReading lost = broken_reading(2, "GPU is lost");
  lost.uuid = "";
  const Observation seen{{}, {reading(1), lost}, {}, {}};
  ASSERT_NE(find_reading(seen, "GPU-2", 2), nullptr);
  EXPECT_EQ(find_reading(seen, "GPU-2", 2)->error, "GPU is lost");
  EXPECT_EQ(find_reading(seen, "GPU-3", 3), nullptr);
  EXPECT_EQ(find_reading(seen, "GPU-1", 2)->index, 1);
}

TEST(FindReading, GoesByTheIndexInAPoolWithoutUuids) {
  const Observation seen{{}, {reading(1)}, {}, {}};
  EXPECT_NE(find_reading(seen, "", 1), nullptr);
  EXPECT_EQ(find_reading(seen, "", 0), nullptr);
}

}  // namespace
}  // namespace chg
