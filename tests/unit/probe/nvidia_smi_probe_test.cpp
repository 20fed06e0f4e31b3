#include "probe/nvidia/nvidia_smi_probe.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "support/path_variable.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixture.h"
#include "unit/probe/nvidia_uuid.h"

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

// A stand-in nvidia-smi in PATH: it notes its arguments and answers as the test says.
class NvidiaSmi : public ::testing::Test {
 protected:
  void answer(const std::string& to_gpus, const std::string& to_processes) {
    folder_.write_script("nvidia-smi", "echo \"$@\" >> " + folder_.path("log") +
                                           "\ncase \"$1\" in\n--query-gpu=*) " + to_gpus +
                                           ";;\n--query-compute-apps=*) " + to_processes +
                                           ";;\n*) " + to_details_ + ";;\nesac\n");
  }

  std::string print(const std::string& text) {
    const std::string name = "answer" + std::to_string(answers_++);
    return "cat " + folder_.write(name, text);
  }

  std::string gpu(int index, const std::string& memory_used) {
    return std::to_string(index) + ", " + kUuid + std::to_string(index) +
           ", 00000000:1A:00.0, NVIDIA Example, " + memory_used +
           ", 81559, 0, Disabled, [N/A], No, None\n";
  }

  std::string process(int gpu_index, int pid, const std::string& name, int memory) {
    return kUuid + std::to_string(gpu_index) + ", " + std::to_string(pid) + ", " + name + ", " +
           std::to_string(memory) + "\n";
  }

  Observation look(Duration timeout = seconds(30)) { return read_nvidia_smi(clock_, timeout); }

  std::string failure(Duration timeout = seconds(30)) {
    try {
      look(timeout);
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
  std::string to_details_ = "echo unasked; exit 2";
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
  read_nvidia_smi(clock_, seconds(30), SteadyClock::now(), "nvidia-smi", 5);
  EXPECT_EQ(log(),
            "--query-gpu=index,uuid,pci.bus_id,name,memory.used,memory.total,utilization.gpu,"
            "mig.mode.current,retired_pages.pending,remapped_rows.pending,gpu_recovery_action "
            "--format=csv,noheader,nounits\n"
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
  EXPECT_EQ(failure(), "nvidia-smi failed: no GPU was found");
}

TEST_F(NvidiaSmi, FailsWhereItSaysNothing) {
  answer(":", ":");
  EXPECT_EQ(failure(), "nvidia-smi gave no readings");
}

TEST_F(NvidiaSmi, FailsWhereProcessesCannotBeListed) {
  answer(print(gpu(0, "5")), "echo 'Failed to initialize NVML: Unknown Error'");
  EXPECT_EQ(failure(), "nvidia-smi failed: unknown error");
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
  const Duration timeout = std::chrono::milliseconds(300);
  const std::string expected = "nvidia-smi did not answer within " + to_short_text(timeout);
  answer("exec cat " + folder_.path("fifo"), ":");
  EXPECT_EQ(failure(timeout), expected);
  answer(print(gpu(0, "5")), "exec cat " + folder_.path("fifo"));
  EXPECT_EQ(failure(timeout), expected);
}

TEST_F(NvidiaSmi, IsNeededForNoDetails) {
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  to_details_ = "exec cat " + folder_.path("fifo");
  answer(print(gpu(0, "900")), ":");
  EXPECT_EQ(look(seconds(1)).gpus.at(0).memory_used_mib, 900U);
  EXPECT_NE(log().find("-q -d PIDS"), std::string::npos);
}

TEST_F(NvidiaSmi, IsAskedWhoDrawsOnlyBeyondTheMemoryThatMatters) {
  answer(print(gpu(0, "900")), ":");
  read_nvidia_smi(clock_, seconds(30), SteadyClock::now(), "nvidia-smi", 900);
  EXPECT_EQ(log().find("PIDS"), std::string::npos);
  read_nvidia_smi(clock_, seconds(30), SteadyClock::now(), "nvidia-smi", 899);
  EXPECT_NE(log().find("PIDS"), std::string::npos);
}

TEST_F(NvidiaSmi, IsAskedAgainWithoutWhatItDoesNotKnow) {
  folder_.write_script(
      "nvidia-smi", "echo \"$1\" >> " + folder_.path("log") +
                        "\ncase $1 in\n"
                        "*,retired_pages.pending,*) echo 'Field \"retired_pages.pending\" is "
                        "not a valid field to query.'; exit 2;;\n"
                        "*,mig.mode.current,*) echo 'Field \"mig.mode.current\" is not a valid "
                        "field to query.'; exit 2;;\n*) echo '0, " +
                        std::string(kUuid) +
                        "0, 00000000:1A:00.0, NVIDIA Example, 0, 81559, 3, No, Reset';;\nesac\n");
  EXPECT_EQ(look().gpus.at(0).utilization_percent, 3);
  EXPECT_TRUE(look().gpus.at(0).needs_reset);
  const std::string asked = log();
  EXPECT_EQ(std::count(asked.begin(), asked.end(), '\n'), 6);
}

TEST_F(NvidiaSmi, IsBelievedWhereItOnlyWarnsOfAnInforom) {
  answer(print(gpu(0, "5")) + "; exit 14", "echo 'WARNING: infoROM is corrupted' >&2; exit 14");
  EXPECT_EQ(look().gpus.at(0).memory_used_mib, 5U);
}

// GPU 0 is in MIG mode, GPU 1 is not.
class NvidiaSmiOfMig : public NvidiaSmi {
 protected:
  std::string gpus(const std::string& memory_used) {
    return print(std::string("0, ") + kUuid + "0, 00000000:1A:00.0, NVIDIA Example, " +
                 memory_used + ", 81559, [N/A], Enabled, [N/A], [N/A], None\n" + gpu(1, "59"));
  }
  const std::string error_ = "nvidia-smi does not tell what runs on its MIG devices";
};

TEST_F(NvidiaSmiOfMig, IsDoubtedWhereItListsNoProcess) {
  for (const char* memory_used : {"300", "[N/A]"}) {
    answer(gpus(memory_used), ":");
    EXPECT_EQ(look().gpus.at(0).error, error_);
    EXPECT_EQ(look().gpus.at(1).error, "");
  }
}

TEST_F(NvidiaSmiOfMig, IsBelievedWhereItUsesAsMuchAsAnIdleOne) {
  answer(gpus("59"), ":");
  EXPECT_EQ(look().gpus.at(0).error, "");
}

TEST_F(NvidiaSmiOfMig, IsBelievedInTheProcessesThatItLists) {
  answer(gpus("11125"), print(process(0, 2'000'000'003, "x", 11060)));
  EXPECT_EQ(look().gpus.at(0).processes.size(), 1U);
  EXPECT_EQ(look().gpus.at(0).error, "");
}

TEST_F(NvidiaSmiOfMig, SaysWhereItHidesProcesses) {
  answer(gpus("11125"),
         print(std::string(kUuid) + "0, [Insufficient Permissions], [N/A], [N/A]\n"));
  EXPECT_EQ(look().gpus.at(0).error, "nvidia-smi does not tell its processes");
}

}  // namespace
}  // namespace chg
