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
