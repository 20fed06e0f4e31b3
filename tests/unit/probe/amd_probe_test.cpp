#include "probe/amd/amd_probe.h"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "probe/amd/amd_smi.h"
#include "probe/isolated_probe.h"
#include "probe/processes/proc_reader.h"
#include "probe/processes/process_facts.h"
#include "support/expect_error.h"
#include "support/path_variable.h"
#include "unit/probe/amd_tree.h"
#include "unit/probe/fixed_clock.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AmdProbeTest : public ::testing::Test {
 protected:
  Observation look(Duration timeout = seconds(30)) {
    Observation observation = read_amd(clock_, timeout, tree_.root());
    // As those do who use what a probe tells.
    ProcReader proc(tree_.root() + "/proc");
    fill_in_time(listed_processes(observation), proc, seconds(30));
    return observation;
  }

  std::string failure(Duration timeout = seconds(30)) {
    try {
      look(timeout);
    } catch (const Error& error) {
      EXPECT_NE(error.hint(), "");
      return error.what();
    }
    return "no error";
  }

  // A stand-in tool: it notes its arguments, and answers each question with a command.
  void answer(const std::string& tool,
              const std::vector<std::pair<std::string, std::string>>& answers) {
    std::string cases;
    for (const auto& [question, command] : answers) {
      cases += "\"" + question + "\") " + command + ";;\n";
    }
    tree_.folder().write_script("bin/" + tool, "echo \"$*\" >> " + tree_.folder().path("log") +
                                                   "\ncase \"$*\" in\n" + cases +
                                                   "*) echo \"unasked: $*\"; exit 2;;\nesac\n");
  }

  std::string print(const std::string& text) {
    return "cat " + tree_.folder().write("answer" + std::to_string(answers_++), text);
  }

  // A command that never ends.
  std::string hang() {
    const std::string fifo = tree_.folder().path("fifo");
    EXPECT_TRUE(::mkfifo(fifo.c_str(), 0600) == 0 || errno == EEXIST);
    return "exec cat " + fifo;
  }

  std::string log() { return read_text(tree_.folder().path("log")); }

  // Each process as "INDEX:PID=MIB".
  static std::string shown(const Observation& observation) {
    std::string text;
    for (const GpuReading& gpu : observation.gpus) {
      for (const GpuProcess& process : gpu.processes) {
        text += fmt::format("[{}:{}={}]", gpu.index, process.pid,
                            process.memory_mib ? std::to_string(*process.memory_mib) : "?");
      }
    }
    return text;
  }

  AmdTree tree_;
  PathVariable path_{tree_.folder().path("bin") + ":/usr/bin:/bin"};
  FixedClock clock_;
  int answers_ = 0;
};

class KfdProbe : public AmdProbeTest {
 protected:
  void SetUp() override {
    tree_.add_cpu(0);
    tree_.add_gpu(1, 4711, 0x8300, 128, "unique_id 1\n");
    tree_.add_gpu(2, 4712, 0x0300, 129, "unique_id 2\n");
    tree_.put_memory(128, 20, 16368);
    tree_.put_memory(129, 9000, 16368);
  }
};

TEST_F(KfdProbe, GivesGpusWithTheirProcesses) {
  tree_.run(77, "python3");
  tree_.put_kfd(77, "vram_4712", std::to_string(8000ULL << 20));
  const Observation observation = look();
  EXPECT_EQ(observation.source, "KFD");
  EXPECT_EQ(observation.taken.boot_id, "a-boot");
  ASSERT_EQ(observation.gpus.size(), 2U);
  EXPECT_EQ(observation.gpus[0].uuid, "GPU-0000000000000002");
  EXPECT_EQ(observation.gpus[1].uuid, "GPU-0000000000000001");
  EXPECT_EQ(shown(observation), "[0:77=8000]");
  const GpuProcess& process = observation.gpus[0].processes.at(0);
  EXPECT_EQ(process.program, "python3");
  EXPECT_EQ(process.uid, 4294000001U);
  EXPECT_EQ(process.start_ticks, 4242U);
  EXPECT_EQ(process.reservation_id, "r-1");
  EXPECT_TRUE(is_in_use(observation.gpus[0], Policy()));
  EXPECT_FALSE(is_in_use(observation.gpus[1], Policy()));
}

TEST_F(KfdProbe, IsPartialWhereADeviceFileIsMissing) {
  EXPECT_FALSE(look().is_partial);
  std::filesystem::remove(tree_.folder().path(AmdTree::render_node(128)));
  EXPECT_TRUE(look().is_partial);
  EXPECT_EQ(look().gpus.size(), 1U);
}

TEST_F(KfdProbe, NeedsNoTool) {
  answer("rocm-smi", {});
  EXPECT_EQ(look().source, "KFD");
  EXPECT_FALSE(std::filesystem::exists(tree_.folder().path("log")));
}

TEST_F(KfdProbe, LeavesOutProcessesThatHaveEnded) {
  tree_.put_kfd(kNoPid, "vram_4712", std::to_string(8000ULL << 20));
  EXPECT_EQ(shown(look()), "");
}

TEST_F(KfdProbe, TakesMemoryThatNobodyIsListedForAsUse) {
  const Observation observation = look();
  EXPECT_EQ(observation.gpus.at(0).error, "");
  EXPECT_TRUE(is_in_use(observation.gpus[0], Policy()));
}

TEST_F(KfdProbe, NamesWhoDraws) {
  tree_.run(77, "Xorg");
  const auto open = [&](int fd, const std::string& bus_id) {
    const std::filesystem::path link = tree_.folder().path(fmt::format("proc/77/fd/{}", fd));
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::create_symlink("/dev/dri/card0", link);
    tree_.folder().write(
        fmt::format("proc/77/fdinfo/{}", fd),
        "drm-pdev:\t" + bus_id + "\ndrm-client-id:\t5\n" + "drm-memory-vram:\t9175040 KiB\n");
  };
  open(5, "0000:03:00.0");
  const Observation observation = look();
  EXPECT_EQ(shown(observation), "[0:77=8960]");
  EXPECT_EQ(observation.gpus.at(0).processes.at(0).type, GpuProcess::Type::Graphics);
  EXPECT_EQ(observation.gpus[0].processes[0].program, "Xorg");
  EXPECT_FALSE(is_in_use(observation.gpus[0], Policy()));
}

TEST_F(KfdProbe, MakesAnErrorOfGpusWhoseProcessesAreNotListed) {
  std::filesystem::remove(tree_.folder().path(AmdTree::processes()));
  tree_.put_memory(128, 0, 16368);
  const Observation observation = look();
  EXPECT_EQ(observation.gpus.at(0).error, "the driver does not list its processes");
  EXPECT_EQ(observation.gpus.at(1).error, "");
}

TEST_F(KfdProbe, DropsNobodyAsDeadInAnotherPidNamespace) {
  tree_.see_pids_of("pid:[4026532999]");
  tree_.run(77, "somebody else");
  tree_.put_kfd(77, "vram_4712", std::to_string(8000ULL << 20));
  tree_.put_kfd(kNoPid, "vram_4711", std::to_string(1ULL << 20));
  const Observation observation = look();
  EXPECT_EQ(shown(observation), "[0:77=8000][1:2000000000=1]");
}

TEST_F(KfdProbe, FailsWhereTheDriverIsStuck) {
  const std::string file =
      tree_.folder().path("sys/class/drm/renderD128/device/mem_info_vram_used");
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  const ReadResult result = read_isolated(
      "the AMD driver", [this] { return look(); }, milliseconds(200));
  EXPECT_STREQ(std::get<ReadFailure>(result).error.what(),
               "the AMD driver did not answer within 0.2s");
}

TEST_F(KfdProbe, DoesNotAskTheToolsWhereTheDriverAnswers) {
  answer("amd-smi", {});
  look();
  EXPECT_FALSE(std::filesystem::exists(tree_.folder().path("log")));
}

constexpr const char* kStatic = "static --asic --bus --json";
constexpr const char* kMetric = "metric --mem-usage --usage --temperature --power --json";
constexpr const char* kProcess = "process --json";
constexpr const char* kVersion = "AMDSMI Tool: 26.2.1+fc | AMDSMI Library version: 26.2.1";
constexpr const char* kNone =
    R"([{"gpu": 0, "process_list": [{"process_info": "No running processes detected"}]},
        {"gpu": 1, "process_list": [{"process_info": "No running processes detected"}]}])";

class AmdSmiProbe : public AmdProbeTest {
 protected:
  void answer_all(const std::string& metric, const std::string& process,
                  std::vector<std::pair<std::string, std::string>> more = {}) {
    more.insert(more.end(), {{kStatic, print(fixture("amd_smi_static.json"))},
                             {kMetric, print(metric)},
                             {kProcess, print(process)},
                             {"version", print(kVersion)}});
    answer("amd-smi", more);
  }

  static std::string memory(int first, int second) {
    return fmt::format(R"([{{"gpu": 0, "mem_usage": {{"used_vram": {}, "total_vram": 8000}}}},
                           {{"gpu": 1, "mem_usage": {{"used_vram": {}, "total_vram": 8000}}}}])",
                       first, second);
  }
  // The entry of one GPU, with one process.
  static std::string entry(int gpu, int pid, int shared_mib, int own_mib) {
    return fmt::format(R"({{"gpu": {}, "process_list": [{{"process_info": {{"pid": {},
                           "name": "x", "mem_usage": {{"value": {}, "unit": "MB"}},
                           "memory_usage": {{"vram_mem": {{"value": {}, "unit": "MB"}}}}}}}}]}})",
                       gpu, pid, own_mib, shared_mib);
  }
};

TEST_F(AmdSmiProbe, GivesGpusWithTheirProcesses) {
  tree_.run(5001, "python3");
  answer_all(fixture("amd_smi_metric_units.json"), fixture("amd_smi_process_list.json"),
             {{"process --gpu 0 --json", print(fixture("amd_smi_process_list.json"))}});
  const Observation observation = look();
  EXPECT_EQ(observation.source, "amd-smi 26.2");
  EXPECT_EQ(observation.taken.boot_id, "a-boot");
  ASSERT_EQ(observation.gpus.size(), 2U);
  EXPECT_EQ(observation.gpus[0].uuid, "GPU-0123456789abcdef");
  EXPECT_EQ(observation.gpus[0].memory_used_mib, 20450U);
  EXPECT_EQ(observation.gpus[1].memory_used_mib, std::nullopt);
  // 2000000002 has ended.
  EXPECT_EQ(shown(observation), "[0:5001=20590]");
  EXPECT_EQ(observation.gpus[0].processes.at(0).program, "python3");
  EXPECT_EQ(observation.gpus[0].processes[0].uid, 4294000001U);
}

TEST_F(AmdSmiProbe, AsksOnlyOfGpusThatHaveProcesses) {
  answer_all(memory(20, 20), kNone);
  EXPECT_EQ(shown(look()), "");
  EXPECT_EQ(log(), std::string(kStatic) + "\n" + kProcess + "\n" + kMetric + "\nversion\n");
}

TEST_F(AmdSmiProbe, BelievesAnAnswerAboutOneGpuAndNotOneAboutAll) {
  tree_.run(77, "a");
  answer_all(memory(20, 7000), "[" + entry(0, 77, 0, 0) + "," + entry(1, 77, 0, 0) + "]",
             {{"process --gpu 0 --json", print("[" + entry(0, 77, 0, 0) + "]")},
              {"process --gpu 1 --json", print("[" + entry(1, 77, 0, 6000) + "]")}});
  EXPECT_EQ(shown(look()), "[0:77=0][1:77=6000]");
}

TEST_F(AmdSmiProbe, KeepsAProcessOffAGpuThatCannotHoldItsMemory) {
  tree_.run(77, "a");
  answer_all(memory(20, 7000), "[" + entry(0, 77, 6000, 0) + "," + entry(1, 77, 6000, 0) + "]",
             {{"process --gpu 0 --json", print("[" + entry(0, 77, 6000, 0) + "]")},
              {"process --gpu 1 --json", print("[" + entry(1, 77, 6000, 0) + "]")}});
  const Observation observation = look();
  EXPECT_EQ(shown(observation), "[1:77=6000]");
  EXPECT_FALSE(is_in_use(observation.gpus.at(0), Policy()));
  EXPECT_TRUE(is_in_use(observation.gpus.at(1), Policy()));
}

TEST_F(AmdSmiProbe, KeepsAProcessThatFitsNowhereElse) {
  tree_.run(77, "a");
  answer_all(memory(20, 20), "[" + entry(0, 77, 6000, 0) + R"(,{"gpu": 1, "process_list": []}])",
             {{"process --gpu 0 --json", print("[" + entry(0, 77, 6000, 0) + "]")}});
  EXPECT_EQ(shown(look()), "[0:77=6000]");
}

TEST_F(AmdSmiProbe, MakesAnErrorOfAGpuWhoseProcessesAreNotTold) {
  answer_all(memory(20, 20), "[" + entry(0, 77, 0, 0) + R"(,{"gpu": 1, "process_info": "N/A"}])",
             {{"process --gpu 0 --json",
               print(R"([{"gpu": 0, "process_list": [{"process_info": {"pid": "N/A"}}]}])")},
              {"process --gpu 1 --json", print(R"([{"gpu": 1, "process_info": "N/A"}])")}});
  const Observation observation = look();
  EXPECT_EQ(observation.gpus.at(0).error, "amd-smi does not tell its processes");
  EXPECT_EQ(observation.gpus.at(1).error, "amd-smi does not tell its processes");
}

TEST_F(AmdSmiProbe, TakesMemoryThatNobodyIsListedForAsUse) {
  answer_all(memory(20, 7000), kNone);
  const Observation observation = look();
  EXPECT_FALSE(is_in_use(observation.gpus.at(0), Policy()));
  EXPECT_TRUE(is_in_use(observation.gpus.at(1), Policy()));
}

TEST_F(AmdSmiProbe, AsksInAnotherWayWhereAVersionKnowsNotTheWords) {
  answer("amd-smi", {{"list --json", print(R"([{"gpu": 0, "bdf": "0000:03:00.0"}])")},
                     {kProcess, print(R"([{"gpu": 0, "process_info": "Not Found"}])")},
                     {"metric --json", print(R"([{"gpu": 0, "mem_usage": {"used_vram": 5}}])")}});
  const Observation observation = look();
  EXPECT_EQ(observation.source, "amd-smi");
  ASSERT_EQ(observation.gpus.size(), 1U);
  EXPECT_EQ(observation.gpus[0].uuid, "PCI-0000:03:00.0");
  EXPECT_EQ(observation.gpus[0].memory_used_mib, 5U);
}

TEST_F(AmdSmiProbe, RefusesAGpuThatNothingNames) {
  const char* gpus = R"([{"gpu": 0, "asic": {"market_name": "A", "asic_serial": "0x7"},
                          "bus": {"bdf": "0000:03:00.0"}},
                         {"gpu": 1, "asic": {"market_name": "0x1002", "asic_serial": "N/A"},
                          "bus": {"bdf": "0000:43:00.0"}}])";
  answer("amd-smi",
         {{kStatic, print(gpus)}, {kMetric, print(memory(20, 20))}, {kProcess, print(kNone)}});
  const Observation observation = look();
  EXPECT_EQ(observation.gpus.at(0).error, "");
  EXPECT_EQ(observation.gpus.at(0).runtime_index, std::nullopt);
  EXPECT_EQ(observation.gpus.at(1).error,
            "no program can be told to use it: it has no unique id and no known number");
}

TEST_F(AmdSmiProbe, IsFoundWhereRocmIsInstalled) {
  answer_all(memory(20, 20), kNone);
  std::filesystem::create_directories(tree_.folder().path("opt/rocm/bin"));
  std::filesystem::rename(tree_.folder().path("bin/amd-smi"),
                          tree_.folder().path("opt/rocm/bin/amd-smi"));
  EXPECT_EQ(look().gpus.size(), 2U);
}

TEST_F(AmdSmiProbe, IsWaitedForWhileThereIsTime) {
  answer("amd-smi", {{kStatic, "sleep 0.1; " + print(fixture("amd_smi_static.json"))},
                     {kMetric, "sleep 0.1; " + print(memory(20, 20))},
                     {kProcess, "sleep 0.1; " + print(kNone)},
                     {"version", print(kVersion)}});
  EXPECT_EQ(look().gpus.size(), 2U);
}

TEST_F(AmdSmiProbe, FailsWhereItHangsInAnyAnswer) {
  const Duration timeout = milliseconds(500);
  const std::string expected = "amd-smi did not answer within " + to_short_text(timeout);
  const std::string gpus = print(fixture("amd_smi_static.json"));
  answer("amd-smi", {{kStatic, hang()}});
  EXPECT_EQ(failure(timeout), expected);
  answer("amd-smi", {{kStatic, gpus}, {kProcess, hang()}});
  EXPECT_EQ(failure(timeout), expected);
  answer("amd-smi", {{kStatic, gpus}, {kProcess, print(kNone)}, {kMetric, hang()}});
  EXPECT_EQ(failure(timeout), expected);
}

TEST_F(AmdSmiProbe, NeedsNoVersion) {
  answer("amd-smi", {{kStatic, print(fixture("amd_smi_static.json"))},
                     {kMetric, print(memory(20, 20))},
                     {kProcess, print(kNone)},
                     {"version", "exit 1"}});
  EXPECT_EQ(look().source, "amd-smi");
}

TEST_F(AmdSmiProbe, FailsWithWhatItSays) {
  answer("amd-smi", {{kStatic, "echo 'no AMD GPU' >&2; exit 1"}});
  EXPECT_EQ(failure(), "amd-smi failed: 'no AMD GPU'");
  answer("amd-smi", {{kStatic, print(fixture("amd_smi_static.json"))}, {kProcess, "exit 3"}});
  EXPECT_EQ(failure(), "amd-smi failed with exit status 3");
  answer(
      "amd-smi",
      {{kStatic, print(fixture("amd_smi_static.json"))}, {kProcess, print(kNone)}, {kMetric, ":"}});
  EXPECT_EQ(failure(), "amd-smi gave no readings");
}

TEST_F(AmdProbeTest, FailsWhereThereIsNothingToAsk) {
  EXPECT_EQ(failure(),
            "the AMD driver shows no GPU, and there is no 'amd-smi' in PATH to ask instead");
  tree_.add_cpu(0);  // The driver is there, and offers no GPU.
  EXPECT_EQ(failure(),
            "the AMD driver shows no GPU, and there is no 'amd-smi' in PATH to ask instead");
}

TEST(ProcessesOfOthers, StayWhereNothingIsKnown) {
  std::vector<GpuReading> gpus(2);
  for (GpuReading& gpu : gpus) {
    gpu.processes.resize(1);
    gpu.processes[0].pid = 77;
    gpu.processes[0].memory_mib = 6000;
  }
  gpus[1].memory_used_mib = 7000;
  drop_processes_of_others(gpus);
  EXPECT_EQ(gpus[0].processes.size(), 1U);
  gpus[0].memory_used_mib = 20;
  gpus[1].processes[0].memory_mib = 0;  // It holds nothing there.
  drop_processes_of_others(gpus);
  EXPECT_EQ(gpus[0].processes.size(), 1U);
  gpus[1].processes[0].memory_mib = 6000;
  drop_processes_of_others(gpus);
  EXPECT_EQ(gpus[0].processes.size(), 0U);
  EXPECT_EQ(gpus[1].processes.size(), 1U);
}

}  // namespace
}  // namespace chg
