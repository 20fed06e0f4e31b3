#include "process/process_list.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/child.h"

namespace chg {
namespace {

constexpr std::chrono::seconds kDeadline(10);

bool contains(const std::vector<int>& pids, int pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

TEST(ProcessList, HoldsThisProcessAndItsChildren) {
  const Child child(idle);
  const std::vector<int> pids = all_pids();
  EXPECT_TRUE(contains(pids, getpid()));
  EXPECT_TRUE(contains(pids, child.pid()));
}

TEST(ProcessList, TellsThoseThatAreMeant) {
  EXPECT_EQ(pids_where(
                {4, 7, 9}, [](int pid) { return pid != 7; }, kDeadline),
            (std::vector<int>{4, 9}));
  EXPECT_TRUE(pids_where(
                  {}, [](int) { return true; }, kDeadline)
                  .empty());
}

TEST(ProcessList, LeavesOutWhereTheQuestionHangs) {
  const auto hang_at_7 = [](int pid) {
    while (pid == 7) ::pause();
    return true;
  };
  EXPECT_EQ(pids_where({4, 7, 9}, hang_at_7, kDeadline), (std::vector<int>{4, 9}));
}

}  // namespace
}  // namespace chg
