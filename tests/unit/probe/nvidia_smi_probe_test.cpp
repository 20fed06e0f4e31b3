#include "probe/nvidia/nvidia_smi_probe.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "support/path_variable.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

using std::chrono::seconds;

// Remembers whether the tool had been started when it was asked.
class WatchfulClock final : public Clock {
 public:
  explicit WatchfulClock(std::string log) : log_(std::move(log)) {}

  Instant now() const override {
    asked_before_start_ = !std::filesystem::exists(log_);
    return {.wall = WallTime(seconds(1'800'000'000)), .boot = seconds(5000), .boot_id = "a-boot"};
  }
  bool asked_before_start() const { return asked_before_start_; }

 private:
  std::string log_;
  mutable bool asked_before_start_ = false;
};

constexpr const char* kUuid = "GPU-5f3a0c1e-0000-4b00-8000-00000000000";

// A stand-in nvidia-smi in PATH: it notes its arguments and answers as the test says.
class NvidiaSmi : public ::testing::Test {
 protected:
  void answer(const std::string& to_gpus, const std::string& to_processes,
              const std::string& to_all = "echo unasked; exit 2") {
    folder_.write_script("nvidia-smi", "echo \"$@\" >> " + folder_.path("log") +
                                           "\ncase \"$1\" in\n--query-gpu=*) " + to_gpus +
                                           ";;\n--query-compute-apps=*) " + to_processes +
                                           ";;\n-q) " + to_all +
                                           ";;\n*) echo unasked; exit 2;;\nesac\n");
  }

  std::string print(const std::string& text) {
    const std::string name = "answer" + std::to_string(answers_++);
    return "cat " + folder_.write(name, text);
  }

  std::string gpu(int index, const std::string& memory_used) {
    return std::to_string(index) + ", " + kUuid + std::to_string(index) +
           ", 00000000:1A:00.0, NVIDIA Example, " + memory_used + ", 81559, 0, Disabled\n";
  }

  std::string process(int gpu_index, int pid, const std::string& name, int memory) {
    return kUuid + std::to_string(gpu_index) + ", " + std::to_string(pid) + ", " + name + ", " +
           std::to_string(memory) + "\n";
  }

  Observation look(Duration deadline = seconds(30)) {
    return NvidiaSmiProbe(clock_, deadline).look();
  }

  std::string failure(Duration deadline = seconds(30)) {
    try {
      look(deadline);
    } catch (const Error& error) {
      EXPECT_NE(error.hint(), "");
      return error.what();
    }
    return "no error";
  }

  std::string log() { return read_text(folder_.path("log")); }

  TemporaryFolder folder_;
  PathVariable path_{folder_.path() + ":/usr/bin:/bin"};
  WatchfulClock clock_{folder_.path("log")};
  int answers_ = 0;
};

TEST_F(NvidiaSmi, GivesGpusWithTheirProcesses) {
  answer(print(gpu(0, "0") + gpu(1, "8100")),
         print(process(1, ::getpid(), "unit_probe", 8000) + process(1, 1, "x", 100)));
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.size(), 2U);
  EXPECT_TRUE(observation.gpus[0].processes.empty());
  ASSERT_EQ(observation.gpus[1].processes.size(), 2U);
  EXPECT_EQ(observation.gpus[1].memory_used_mib, 8100U);
  EXPECT_EQ(observation.gpus[1].processes[0].memory_mib, 8000U);
}

TEST_F(NvidiaSmi, TellsOfAProcessWhatNvidiaSmiSays) {
  answer(print(gpu(0, "8000")), print(process(0, 2'000'000'000, "/usr/bin/python3", 8000)));
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.at(0).processes.size(), 1U);
  const GpuProcess& process = observation.gpus[0].processes[0];
  EXPECT_EQ(process.pid, 2'000'000'000);
  EXPECT_EQ(process.program, "python3");
  EXPECT_EQ(process.uid, std::nullopt);
  EXPECT_EQ(process.user, "");
  EXPECT_EQ(process.reservation_id, std::nullopt);
}

TEST_F(NvidiaSmi, IsAskedWithTheDocumentedQueries) {
  answer(print(gpu(0, "5")), ":");
  look();
  EXPECT_EQ(log(),
            "--query-gpu=index,uuid,pci.bus_id,name,memory.used,memory.total,utilization.gpu,"
            "mig.mode.current --format=csv,noheader,nounits\n"
            "--query-compute-apps=gpu_uuid,pid,process_name,used_memory "
            "--format=csv,noheader,nounits\n");
}

TEST_F(NvidiaSmi, IsNotAskedForProcessesWhereNoMemoryIsUsed) {
  answer(print(gpu(0, "0") + gpu(1, "0")), "echo asked; exit 1");
  EXPECT_EQ(look().gpus.size(), 2U);
  EXPECT_EQ(log().find("compute-apps"), std::string::npos);
}

TEST_F(NvidiaSmi, IsAskedForProcessesWhereMemoryCannotBeRead) {
  answer(print(gpu(0, "0") + gpu(1, "[N/A]")), print(process(1, 2'000'000'000, "x", 8000)));
  EXPECT_EQ(look().gpus.at(1).processes.size(), 1U);
}

TEST_F(NvidiaSmi, SetsTheTimeBeforeTheToolStarts) {
  answer(print(gpu(0, "0")), ":");
  const Observation observation = look();
  EXPECT_TRUE(clock_.asked_before_start());
  EXPECT_EQ(observation.taken.boot_id, "a-boot");
  EXPECT_EQ(observation.taken.boot, seconds(5000));
}

TEST_F(NvidiaSmi, IsBelievedInItsRowsWhateverItsExitStatus) {
  answer(print("Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.\n" +
               gpu(0, "5")) +
             "; exit 15",
         print("Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.\n") +
             "; exit 15");
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.size(), 1U);
  EXPECT_EQ(observation.gpus[0].error, "");
}

TEST_F(NvidiaSmi, MakesAnErrorOfAGpuWhoseProcessesMayNotBeSeen) {
  answer(print(gpu(0, "0") + gpu(1, "[N/A]")),
         print(std::string(kUuid) + "1, [Insufficient Permissions], [N/A], [N/A]\n"));
  const Observation observation = look();
  EXPECT_EQ(observation.gpus.at(0).error, "");
  EXPECT_EQ(observation.gpus.at(1).error, "nvidia-smi does not tell its processes");
}

TEST_F(NvidiaSmi, FailsWithWhatItSays) {
  answer("echo 'No devices were found'", ":");
  EXPECT_EQ(failure(), "nvidia-smi finds no GPU");
}

TEST_F(NvidiaSmi, FailsWhereItSaysNothing) {
  answer(":", ":");
  EXPECT_EQ(failure(), "nvidia-smi gave no readings");
}

TEST_F(NvidiaSmi, FailsWhereProcessesCannotBeListed) {
  answer(print(gpu(0, "5")), "echo 'Failed to initialize NVML: Unknown Error'");
  EXPECT_EQ(failure(), "nvidia-smi failed to initialize NVML: unknown error");
  answer(print(gpu(0, "5")), "exit 9");
  EXPECT_EQ(failure(), "nvidia-smi failed: the NVIDIA driver is not loaded");
}

TEST_F(NvidiaSmi, FailsWhereItIsKilledInItsAnswer) {
  answer(print(gpu(0, "5")) + "; kill -KILL $$", ":");
  EXPECT_EQ(failure(), "nvidia-smi was ended by signal 9");
  answer(print(gpu(0, "5")), print(process(0, 1, "x", 5)) + "; kill -SEGV $$");
  EXPECT_EQ(failure(), "nvidia-smi was ended by signal 11");
}

TEST_F(NvidiaSmi, FailsWhereItIsNotInstalled) {
  EXPECT_EQ(failure(), "'nvidia-smi' is not in PATH");
}

TEST_F(NvidiaSmi, FailsWhereItHangsInEitherAnswer) {
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  const Duration deadline = std::chrono::milliseconds(300);
  const std::string expected = "nvidia-smi did not answer within " + to_short_text(deadline);
  answer("exec cat " + folder_.path("fifo"), ":");
  EXPECT_EQ(failure(deadline), expected);
  answer(print(gpu(0, "5")), "exec cat " + folder_.path("fifo"));
  EXPECT_EQ(failure(deadline), expected);
}

// GPU 0 is divided, as in query_mig.xml; GPU 1 is not.
class DividedNvidiaSmi : public NvidiaSmi {
 protected:
  std::string gpus(const std::string& memory_used = "11125") {
    return print(std::string("0, ") + kUuid + "0, 00000000:1A:00.0, NVIDIA Example, " +
                 memory_used + ", 81559, [N/A], Enabled\n" + gpu(1, "8100"));
  }
  std::string processes() {
    return print(process(0, 2'000'000'003, "csv", 5) + process(1, 2'000'000'004, "x", 8000));
  }
  std::string hidden() {
    return print(std::string(kUuid) + "0, [Insufficient Permissions], [N/A], [N/A]\n");
  }
  static std::vector<int> pids(const GpuReading& gpu) {
    std::vector<int> result;
    for (const GpuProcess& process : gpu.processes) result.push_back(process.pid);
    return result;
  }
  const std::string xml_ = fixture("query_mig.xml");
};

TEST_F(DividedNvidiaSmi, TellsThePartsOfADividedGpuAndWhatRunsOnThem) {
  answer(gpus("[N/A]"), processes(), print(xml_));
  const Observation observation = look();
  EXPECT_NE(log().find("\n-q -x\n"), std::string::npos);
  ASSERT_EQ(observation.gpus.size(), 2U);
  const GpuReading& gpu = observation.gpus[0];
  ASSERT_EQ(gpu.mig_devices.size(), 2U);
  EXPECT_EQ(gpu.mig_devices[0].uuid, std::string("MIG-") + kUuid + "0/2/0");
  EXPECT_EQ(gpu.mig_devices[0].memory_used_mib, 11091U);
  // Those of the parts, and what is on no part's list.
  EXPECT_EQ(pids(gpu), (std::vector<int>{2'000'000'001, 2'000'000'002, 2'000'000'003}));
  EXPECT_EQ(gpu.processes[0].memory_mib, 7500U);
  EXPECT_EQ(gpu.memory_used_mib, 11125U);
  EXPECT_EQ(gpu.temperature_c, 53);
  EXPECT_EQ(gpu.power_w, 434);
  EXPECT_EQ(gpu.pci_bus_id, "0000:1a:00.0");
  EXPECT_EQ(gpu.error, "");
}

TEST_F(DividedNvidiaSmi, LeavesTheOthersAsTheyAre) {
  answer(gpus(), processes(), print(xml_));
  const GpuReading divided_beside = look().gpus.at(1);
  answer(print(gpu(1, "8100")), processes());
  EXPECT_EQ(look().gpus.at(0), divided_beside);
  EXPECT_EQ(pids(divided_beside), std::vector<int>{2'000'000'004});
}

TEST_F(DividedNvidiaSmi, IsNotAskedForEverythingWhereNoGpuIsDivided) {
  answer(print(gpu(0, "5")), ":", print(xml_));
  EXPECT_TRUE(look().gpus.at(0).mig_devices.empty());
  EXPECT_EQ(log().find("-q -x"), std::string::npos);
}

TEST_F(DividedNvidiaSmi, TellsPartsWhereNoMemoryIsUsed) {
  answer(print(std::string("0, ") + kUuid + "0, 0, M, 0, 81559, [N/A], Enabled\n"), "exit 1",
         print(xml_));
  EXPECT_EQ(look().gpus.at(0).mig_devices.size(), 2U);
  EXPECT_EQ(pids(look().gpus.at(0)).size(), 2U);
}

TEST_F(DividedNvidiaSmi, KeepsWhatIsKnownWhereTheRestCannotBeRead) {
  const std::string breaks_off = print(xml_.substr(0, xml_.size() / 2));
  const std::string other_gpu = print("<nvidia_smi_log><gpu/></nvidia_smi_log>");
  for (const std::string& rest :
       {std::string("exit 9"), breaks_off, other_gpu, std::string("kill -KILL $$")}) {
    answer(gpus(), processes(), rest);
    const GpuReading gpu = look().gpus.at(0);
    EXPECT_EQ(pids(gpu), std::vector<int>{2'000'000'003}) << rest;
    EXPECT_TRUE(gpu.mig_devices.empty());
    EXPECT_EQ(gpu.memory_used_mib, 11125U);
    EXPECT_EQ(gpu.error, "");
    answer(gpus(), hidden(), rest);
    EXPECT_EQ(look().gpus.at(0).error, "nvidia-smi does not tell its processes") << rest;
  }
}

TEST_F(DividedNvidiaSmi, KeepsWhatIsKnownWhereTheRestIsLate) {
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  answer(gpus(), processes(), "exec cat " + folder_.path("fifo"));
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(pids(look(seconds(2)).gpus.at(0)), std::vector<int>{2'000'000'003});
  EXPECT_LT(std::chrono::steady_clock::now() - started, seconds(20));
}

TEST_F(DividedNvidiaSmi, TellsTheProcessesThatTheListHides) {
  answer(gpus(), hidden(), print(xml_));
  EXPECT_EQ(look().gpus.at(0).error, "");
  EXPECT_EQ(pids(look().gpus.at(0)).size(), 2U);
}

TEST_F(DividedNvidiaSmi, MakesAnErrorOfMoreHiddenProcessesThanAreTold) {
  const std::string row = std::string(kUuid) + "0, [Insufficient Permissions], [N/A], [N/A]\n";
  answer(gpus(), print(row + row + row), print(xml_));
  EXPECT_EQ(look().gpus.at(0).error, "nvidia-smi does not tell its processes");
}

TEST_F(DividedNvidiaSmi, MakesAnErrorOfAGpuOfWhichTheRestTellsOne) {
  std::string lost = xml_;
  const std::string list = lost.substr(lost.find("<processes>"));
  lost.replace(lost.find("<processes>"), list.find("</processes>") + 12,
               "<processes>Insufficient Permissions</processes>");
  answer(gpus(), processes(), print(lost));
  EXPECT_EQ(look().gpus.at(0).error, "nvidia-smi does not tell its processes");
  EXPECT_EQ(look().gpus.at(1).error, "");
}

}  // namespace
}  // namespace chg
