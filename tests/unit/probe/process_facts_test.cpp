#include "probe/processes/process_facts.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
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

class ModelFacts : public Facts {
 protected:
  void SetUp() override {
    Facts::SetUp();
    for (const auto& [pid, parent] : {std::pair{1, 2}, {2, 3}, {3, 0}}) {
      put(pid, "stat",
          fmt::format("{} (kernel) S {} 1 1 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 {} 1\n", pid, parent,
                      1000 + pid));
    }
    put(1, "cmdline", "VLLM::EngineCore");
  }

  // Of the process 1, whose parent is 2, and that one's is 3.
  GpuProcess of_child(GpuProcess::Type type = GpuProcess::Type::Compute) {
    GpuProcess process;
    process.pid = 1;
    process.type = type;
    ProcReader proc(folder_.path(), folder_.path(),
                    [](std::string_view line) { return line.starts_with("serve "); });
    fill_in_time({&process}, proc, kAmple);
    return process;
  }
};

TEST_F(ModelFacts, AreOfTheFirstAncestorThatTellsAModel) {
  EXPECT_EQ(of_child().ancestor_command_line, "");
  put(3, "cmdline", std::string("serve\0c\0", 8));
  EXPECT_EQ(of_child().ancestor_command_line, "serve c");
  put(2, "cmdline", std::string("serve\0b\0", 8));
  EXPECT_EQ(of_child().ancestor_command_line, "serve b");
  EXPECT_EQ(of_child(GpuProcess::Type::Graphics).ancestor_command_line, "");
  EXPECT_EQ(filled({1})[0].ancestor_command_line, "") << "nobody wants to know";
  put(1, "cmdline", std::string("serve\0a\0", 8));
  EXPECT_EQ(of_child().ancestor_command_line, "");
}

TEST_F(ModelFacts, InTheLockedMemoryOfAnAncestorHideNoOthers) {
  put(3, "cmdline", std::string("serve\0c\0", 8));
  block(2, "cmdline");
  const GpuProcess found = of_child();
  EXPECT_EQ(found.ancestor_command_line, "");
  EXPECT_EQ(found.command_line, "VLLM::EngineCore");
  EXPECT_EQ(found.reservation_id, "r");
  EXPECT_EQ(found.ancestors.size(), 2U);
}

TEST_F(ModelFacts, AreOfAnAncestorOnlyWhereAProcessHasNoCommandLineOfItsOwn) {
  put(2, "cmdline", std::string("serve\0b\0", 8));
  const auto is_asked = [&](std::string command_line) {
    std::replace(command_line.begin(), command_line.end(), ' ', '\0');
    put(1, "cmdline", command_line + '\0');
    return of_child().ancestor_command_line == "serve b";
  };
  for (const char* worker : {"VLLM::Worker_TP0", "sglang::scheduler_TP0",
                             "python3 -m mpi4py.futures.server", "python3 -u -m mpi4py"}) {
    EXPECT_TRUE(is_asked(worker)) << worker;
  }
  for (const char* other :
       {"./tool", "tool --fast", "python3 train.py", "python3 -c import", "python3 -m train",
        "python3", "VLLM::Worker 1", "python3 train.py -m mpi4py"}) {
    EXPECT_FALSE(is_asked(other)) << other;
  }
  const char* const started[] = {"from multiprocessing.spawn import spawn_main", "import time"};
  for (const std::string code : started) {
    put(1, "cmdline",
        std::string("python3\0-X\0dev\0-c\0", 18) + code + std::string(1, '\0') +
            "--multiprocessing-fork");
    EXPECT_EQ(of_child().ancestor_command_line, code == started[0] ? "serve b" : "") << code;
  }
}

TEST_F(ModelFacts, OfAnAncestorAreReadOnceForAllItsWorkers) {
  put(2, "cmdline", std::string("serve\0b\0", 8));
  ProcReader proc(folder_.path(), folder_.path(),
                  [](std::string_view line) { return line.starts_with("serve "); });
  for (const int worker : {1, 4}) {
    put(worker, "stat",
        fmt::format("{} (kernel) S 2 1 1 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 7 1\n", worker));
    put(worker, "cmdline", "VLLM::Worker_TP0");
    GpuProcess process;
    process.pid = worker;
    proc.fill(process);
    EXPECT_EQ(process.ancestor_command_line, "serve b");
    put(2, "cmdline", "another one");
  }
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
