#include "probe/processes/process_facts.h"

#include <chrono>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temporary_folder.h"
#include "unit/probe/system.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A made-up /proc, whose files may be FIFOs: who reads them is stuck.
class Facts : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const int pid : {1, 2, 3}) {
      put(pid, "stat",
          std::to_string(pid) + " (kernel) S 0 1 1 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 " +
              std::to_string(1000 + pid) + " 1\n");
      put(pid, "status", "Uid:\t4294000001\t7\t8\t9\n");
      put(pid, "cgroup", "0::/system.slice/a.service\n");
      put(pid, "environ", std::string("CANHAZGPU_RESERVATION=r\0", 24));
      put(pid, "cmdline", std::string("/bin/tool\0", 10));
    }
  }

  void put(int pid, const std::string& name, const std::string& text) {
    folder_.write(std::to_string(pid) + "/" + name, text);
  }
  void block(int pid, const std::string& name) {
    const std::string path = folder_.path(std::to_string(pid) + "/" + name);
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  }

  std::vector<GpuProcess> filled(const std::vector<int>& pids, Duration timeout = kAmple) {
    std::vector<GpuProcess> processes(pids.size());
    std::vector<GpuProcess*> pointers;
    for (std::size_t i = 0; i < pids.size(); ++i) {
      processes[i].pid = pids[i];
      processes[i].memory_mib = 5;
      pointers.push_back(&processes[i]);
    }
    ProcReader proc(folder_.path(), folder_.path());
    fill_in_time(pointers, proc, timeout);
    return processes;
  }

  GpuProcess directly(int pid) {
    GpuProcess process;
    process.pid = pid;
    process.memory_mib = 5;
    process.asked_proc = true;
    ProcReader(folder_.path(), folder_.path()).fill(process);
    return process;
  }

  // What is not in the memory of the process.
  static GpuProcess without_memory(GpuProcess process) {
    process.program = "kernel";
    process.command_line.clear();
    process.reservation_id.reset();
    return process;
  }

  TemporaryFolder folder_;
};

TEST_F(Facts, AreThoseOfTheReader) {
  const auto found = filled({1, 2, 3});
  EXPECT_EQ(found, (std::vector<GpuProcess>{directly(1), directly(2), directly(3)}));
  EXPECT_EQ(found[0].command_line, "/bin/tool");
  EXPECT_EQ(found[0].reservation_id, "r");
  EXPECT_EQ(found[0].memory_mib, 5U);
  EXPECT_TRUE(filled({}).empty());
}

TEST_F(Facts, OfAProcessThatIsGoneAreMissing) {
  const auto found = filled({7, 1});
  EXPECT_EQ(found[0].start_ticks, std::nullopt);
  EXPECT_EQ(found[1], directly(1));
}

TEST_F(Facts, InLockedMemoryAreMissingAndHideNoOthers) {
  const std::vector<GpuProcess> expected{directly(1), without_memory(directly(2)), directly(3)};
  for (const char* name : {"environ", "cmdline"}) {
    SetUp();
    block(2, name);
    EXPECT_EQ(filled({1, 2, 3}), expected) << name;
    std::filesystem::remove(folder_.path("2/" + std::string(name)));
  }
}

TEST_F(Facts, OfSeveralStuckProcessesAreReadOneByOne) {
  const std::vector<GpuProcess> expected{without_memory(directly(1)), directly(2),
                                         without_memory(directly(3))};
  block(1, "environ");
  block(3, "cmdline");
  EXPECT_EQ(filled({1, 2, 3}), expected);
}

TEST_F(Facts, OfAProcessThatShowsNothingAtAllHideNoOthers) {
  block(1, "stat");
  const auto found = filled({1, 2});
  EXPECT_EQ(found[0].start_ticks, std::nullopt);
  EXPECT_EQ(found[0].pid, 1);
  EXPECT_EQ(found[1], directly(2));
}

TEST_F(Facts, AreCommandLinesOfThoseWhoStartedThenAlone) {
  const ProcReader proc(folder_.path(), folder_.path());
  const std::vector<Ancestor> processes{{1, 1001}, {2, 1002}, {7, 1}, {3, 999}, {3, 1003}};
  put(2, "cmdline", std::string("vllm\0serve\0a/b\0", 15));
  const auto lines = [&] { return command_lines_in_time(processes, proc, kAmple); };
  EXPECT_EQ(lines(),
            (std::vector<std::string>{"/bin/tool", "vllm serve a/b", "", "", "/bin/tool"}));
  block(2, "cmdline");
  EXPECT_EQ(lines(), (std::vector<std::string>{"/bin/tool", "", "", "", "/bin/tool"}));
  block(1, "stat");
  EXPECT_EQ(lines(), (std::vector<std::string>{"", "", "", "", "/bin/tool"}));
  EXPECT_TRUE(command_lines_in_time({}, proc, kAmple).empty());
  EXPECT_EQ(command_lines_in_time({{3, 1003}}, proc, seconds(0)), std::vector<std::string>{""});
}

TEST_F(Facts, AreMissingAfterTheTimeout) {
  for (const int pid : {1, 2, 3}) block(pid, "stat");
  const auto begin = std::chrono::steady_clock::now();
  const auto found = filled({1, 2, 3}, milliseconds(50));
  EXPECT_EQ(found[0].start_ticks, std::nullopt);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(50));
  EXPECT_EQ(filled({1}, seconds(0))[0].start_ticks, std::nullopt);
}

}  // namespace
}  // namespace chg
