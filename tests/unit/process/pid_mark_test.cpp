#include "process/pid_mark.h"

#include <gtest/gtest.h>

#include "support/child.h"

namespace chg {
namespace {

TEST(PidMark, TellsThatYoungerProcessesHaveGreaterPids) {
  EXPECT_EQ(last_pid_before({500, 70}, {500, 70}), 70);
  EXPECT_EQ(last_pid_before({500, 70}, {503, 73}), 70);
  // Threads, and processes of other namespaces, are none of the row.
  EXPECT_EQ(last_pid_before({500, 70}, {600, 71}), 70);
}

TEST(PidMark, TellsNothingWherePidsMayHaveBeenGivenAgain) {
  EXPECT_EQ(last_pid_before({500, 70}, {500 + 10'000, 71}), 70);
  EXPECT_EQ(last_pid_before({500, 70}, {500 + 10'001, 71}), std::nullopt);
  EXPECT_EQ(last_pid_before({500, 32000}, {800, 310}), std::nullopt);
}

TEST(PidMark, TellsNothingWhereTheNumbersContradictEachOther) {
  EXPECT_EQ(last_pid_before({500, 70}, {502, 73}), std::nullopt);
  EXPECT_EQ(last_pid_before({500, 70}, {499, 71}), std::nullopt);
  EXPECT_EQ(last_pid_before({0, 70}, {0, 71}), std::nullopt);
}

TEST(PidMark, IsBeforeTheProcessesThatFollow) {
  const auto before = mark_pids();
  if (!before) GTEST_SKIP() << "this kernel does not tell which pids it gives";
  const Child child(idle);
  const auto after = mark_pids();
  ASSERT_TRUE(after);
  EXPECT_GT(after->begun, before->begun);
  // Where the pids began anew in between, nothing is told.
  const auto last = last_pid_before(*before, *after);
  EXPECT_LT(last.value_or(0), child.pid());
}

}  // namespace
}  // namespace chg
