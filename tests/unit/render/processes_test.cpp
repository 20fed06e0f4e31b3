#include "render/processes.h"

#include "unit/render/samples.h"

namespace chg {
namespace {

using samples::process;

GpuUse use(const std::vector<GpuProcess>& processes, bool by_unknown = false) {
  return {processes, by_unknown, {}};
}

TEST(ProcessList, NamesUpToThree) {
  EXPECT_EQ(process_list(use({process(1, "a", "u", 1)})), "PID 1 (a)");
  EXPECT_EQ(process_list(
                use({process(1, "a", "u", 1), process(2, "b", "u", 1), process(3, "c", "u", 1)})),
            "PID 1 (a), PID 2 (b), PID 3 (c)");
}

TEST(ProcessList, CountsTheRest) {
  std::vector<GpuProcess> processes;
  for (int pid = 1; pid <= 4; ++pid) processes.push_back(process(pid, "a", "u", 1));
  EXPECT_EQ(process_list(use(processes)), "PID 1 (a), PID 2 (a), PID 3 (a) and 1 more");
  EXPECT_EQ(process_list(use(processes, true)),
            "PID 1 (a), PID 2 (a), PID 3 (a), 1 more and unknown process");
}

TEST(ProcessList, SaysUnknownProcess) {
  EXPECT_EQ(process_list(use({}, true)), "unknown process");
  EXPECT_EQ(process_list(use({process(1, "a", "u", 1)}, true)), "PID 1 (a) and unknown process");
}

TEST(ProcessList, SaysInWhichContainer) {
  GpuProcess contained = process(1, "python3", "root", 1);
  contained.container = Container{"docker", std::string(64, 'e'), "trainer"};
  EXPECT_EQ(process_list(use({contained})), "PID 1 (python3 in docker trainer)");
  contained.container->name = "";
  EXPECT_EQ(process_list(use({contained})), "PID 1 (python3 in docker eeeeeeeeeeee)");
  contained.container->name = "a\nb";
  EXPECT_EQ(process_list(use({contained})), "PID 1 (python3 in docker a\\nb)");
}

TEST(ProcessList, SaysWhoHasTheDeviceOpen) {
  GpuUse unlisted = use({}, true);
  unlisted.suspects = {process(7, "python3", "bob", {}), process(8, "", "", {})};
  EXPECT_EQ(process_list(unlisted),
            "unknown process (open in PID 7 (python3) of bob and PID 8 (unknown))");
  for (int pid = 9; pid < 12; ++pid) unlisted.suspects.push_back(process(pid, "a", "bob", {}));
  EXPECT_EQ(process_list(unlisted),
            "unknown process (open in PID 7 (python3) of bob, PID 8 "
            "(unknown), PID 9 (a) of bob and 2 more)");
  unlisted.by_unknown_process = false;
  EXPECT_EQ(process_list(unlisted), "");
}

TEST(ByUsers, NamesEachUserOnce) {
  EXPECT_EQ(by_users(use({process(1, "a", "bob", 1), process(2, "a", "bob", 1)})), "by user bob");
  EXPECT_EQ(by_users(use({process(1, "a", "bob", 1), process(2, "a", "alice", 1)})),
            "by users bob and alice");
}

TEST(ByUsers, SaysUnknownUserBesideTheKnown) {
  EXPECT_EQ(by_users(use({process(1, "a", "", 1)})), "by unknown user");
  EXPECT_EQ(by_users(use({process(1, "a", "", 1), process(2, "a", "bob", 1)})),
            "by user bob and unknown user");
  EXPECT_EQ(by_users(use({}, true)), "by unknown user");
  EXPECT_EQ(by_users(std::vector<std::string>(), false), "by unknown user");
  EXPECT_EQ(by_users({"bob"}, true), "by user bob and unknown user");
}

TEST(ByUsers, CountsTheRestOfACrowd) {
  std::vector<GpuProcess> processes;
  for (int i = 1; i <= 9; ++i) processes.push_back(process(i, "a", "u" + std::to_string(i), 1));
  EXPECT_EQ(by_users(use(processes)), "by users u1, u2, u3, u4, u5, u6 and 3 more");
}

TEST(UserNames, AreRaw) {
  EXPECT_EQ(user_names(use({process(1, "a", "b\nc", 1)})), std::vector<std::string>{"b\nc"});
}

TEST(MemoryUsedBy, SaysWhenItIsUnknown) {
  GpuUse known = use({process(1, "a", "u", 1)});
  EXPECT_EQ(memory_used_by(known), "unknown memory used by PID 1 (a)");
  known.memory_mib = 0;
  EXPECT_EQ(memory_used_by(known), "0MB used by PID 1 (a)");
}

}  // namespace
}  // namespace chg
