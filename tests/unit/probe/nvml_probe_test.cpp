#include "probe/nvidia/nvml_probe.h"

#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "probe/fake_probe.h"
#include "probe/isolated_probe.h"
#include "probe/processes/process_facts.h"
#include "support/child.h"
#include "unit/probe/nvml_fixture.h"
#include "unit/probe/standin.h"

namespace chg {
namespace {

using Type = GpuProcess::Type;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kBobsProcess = R"({"pid":2000000000,"user":"bob","memory_mb":8000})";

TEST_F(Nvml, ReadsAWholeGpu) {
  const GpuReading gpu = look_at(
      R"({"uuid":"GPU-a","model":"Example","pci_bus_id":"0001:3b:0a.0","memory_total_mb":81559,
          "memory_used_mb":45,"utilization_percent":55,"temperature_c":41,"power_w":699,
          "processes":[{"pid":2000000000,"user":"bob","memory_mb":8000}]})");
  GpuProcess process;
  process.pid = 2'000'000'000;
  process.memory_mib = 8000;
  const GpuReading expected{.index = 0,
                            .uuid = "GPU-a",
                            .model = "Example",
                            .pci_bus_id = "0001:3b:0a.0",
                            .memory_used_mib = 8045,
                            .memory_total_mib = 81559,
                            .utilization_percent = 55,
                            .temperature_c = 41,
                            .power_w = 699,
                            .processes = {process},
                            .mig_devices = {},
                            .error = ""};
  EXPECT_EQ(gpu, expected);
}

TEST_F(Nvml, TellsTimeAndSource) {
  scenario_.put("{}", R"("driver_version":"535.1")");
  EXPECT_EQ(look().taken, clock_.now());
  EXPECT_EQ(look().source, "NVML 535.1");
  scenario_.put("{}", R"("fail":{"nvmlSystemGetDriverVersion":999})");
  EXPECT_EQ(look().source, "NVML");
}

// A container or a control group may hide it: that is no error of the GPU.
TEST_F(Nvml, LeavesOutWhatThisReaderMayNotSee) {
  scenario_.put("{},{},{}", R"("fail":{"nvmlDeviceGetHandleByIndex_v2@1":4})");
  const Observation seen = look();
  ASSERT_EQ(seen.gpus.size(), 2U);
  EXPECT_EQ(seen.gpus[0].index, 0);
  EXPECT_EQ(seen.gpus[1].index, 2);
  scenario_.put("{},{}", R"("fail":{"nvmlDeviceGetHandleByIndex_v2":4})");
  EXPECT_STREQ(failure().error.what(), "NVML failed: insufficient permissions");
}

TEST_F(Nvml, GivesEightGpusInTheirOrder) {
  std::string gpus = "{}";
  for (int i = 1; i < 8; ++i) gpus += fmt::format(R"(,{{"memory_used_mb":{}}})", i);
  scenario_.put(gpus, with_log());
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.size(), 8U);
  for (int i = 0; i < 8; ++i) {
    const GpuReading& gpu = observation.gpus[static_cast<std::size_t>(i)];
    EXPECT_EQ(gpu.index, i);
    EXPECT_EQ(gpu.uuid, fmt::format("GPU-00000000-0000-0000-0000-00000000000{}", i));
    EXPECT_EQ(gpu.error, "");
  }
  EXPECT_EQ(observation.gpus[7].memory_used_mib, 7U);
  EXPECT_EQ(count_of_calls("nvmlInit_v2"), 1);
  EXPECT_EQ(count_of_calls("nvmlShutdown"), 1);
}

TEST_F(Nvml, ClosesItsSession) {
  scenario_.put("{}", R"("gpu_count":0,)" + with_log());
  EXPECT_STREQ(failure().error.what(), "NVML finds no GPU");
  EXPECT_EQ(count_of_calls("nvmlShutdown"), 1);
}

TEST_F(Nvml, CountsWhatTheDriverReservesOnlyWhereItIsNotApart) {
  const std::string reserved = R"("memory_reserved_mb":480)";
  EXPECT_EQ(look_at(R"({"memory_used_mb":3})", reserved).memory_used_mib, 3U);
  EXPECT_EQ(look_at(R"({"memory_used_mb":3})", reserved, "old").memory_used_mib, 483U);
  EXPECT_EQ(
      look_at(R"({"memory_used_mb":3})", reserved + R"(,"fail":{"nvmlDeviceGetMemoryInfo_v2":25})")
          .memory_used_mib,
      483U);
}

TEST_F(Nvml, LeavesMissingWhatIsNotSupported) {
  const GpuReading gpu =
      look_at(R"({"memory_used_mb":null,"utilization_percent":null,"power_w":null})");
  EXPECT_EQ(gpu.error, "");
  EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.memory_total_mib, std::nullopt);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.power_w, std::nullopt);
  EXPECT_EQ(gpu.pci_bus_id, "");
}

TEST_F(Nvml, LeavesMissingWhatFailsButIsNotNeeded) {
  const GpuReading gpu =
      look_at(R"({"pci_bus_id":"0000:01:00.0","temperature_c":1,"power_w":1})",
              R"("fail":{"nvmlDeviceGetPowerUsage":999,"nvmlDeviceGetTemperature":3,
         "nvmlDeviceGetUtilizationRates":4,"nvmlDeviceGetName":999,
          "nvmlDeviceGetPciInfo_v3":999})");
  EXPECT_EQ(gpu.error, "");
  EXPECT_EQ(gpu.power_w, std::nullopt);
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
  EXPECT_EQ(gpu.model, "");
  EXPECT_EQ(gpu.pci_bus_id, "");
  EXPECT_EQ(gpu.memory_used_mib, 45U);
}

TEST_F(Nvml, AsksForProcessesOnlyWhereMemoryIsHeld) {
  scenario_.put(R"({"memory_used_mb":0},{"memory_used_mb":0})", with_log());
  look();
  EXPECT_EQ(calls().find("RunningProcesses"), std::string::npos);
  EXPECT_NE(calls().find("nvmlDeviceGetMemoryInfo_v2"), std::string::npos);
  std::filesystem::remove(log_);
  scenario_.put(R"({"memory_used_mb":0},{"memory_used_mb":1})", with_log());
  look();
  EXPECT_EQ(count_of_calls("nvmlDeviceGetComputeRunningProcesses_v3"), 1);
  EXPECT_EQ(count_of_calls("nvmlDeviceGetGraphicsRunningProcesses_v3"), 1);
  EXPECT_EQ(count_of_calls("nvmlDeviceGetMPSComputeRunningProcesses_v3"), 1);
}

TEST_F(Nvml, AsksForProcessesWhereMemoryCannotBeRead) {
  const std::string process = R"("processes":[)" + std::string(kBobsProcess) + "]}";
  EXPECT_EQ(look_at(R"({"memory_total_mb":null,)" + process).processes.size(), 1U);
  EXPECT_EQ(look_at("{" + process, R"("fail":{"nvmlDeviceGetMemoryInfo_v2":4})").processes.size(),
            1U);
}

TEST_F(Nvml, JoinsTheListsOfProcesses) {
  const GpuReading gpu =
      look_at(gpu_with(R"({"pid":2000000004,"user":"a","memory_mb":40},
                  {"pid":2000000001,"user":"a","memory_mb":10},
                  {"pid":2000000002,"user":"a","memory_mb":20,"type":"graphics"},
                  {"pid":2000000003,"user":"a","memory_mb":30})"),
              R"("mps_pids":[2000000003],"compute_and_graphics_pids":[2000000004])");
  ASSERT_EQ(gpu.processes.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(gpu.processes[i].pid, 2'000'000'001 + static_cast<int>(i));
    EXPECT_EQ(gpu.processes[i].memory_mib, 10 * (i + 1));
    EXPECT_EQ(gpu.processes[i].type, i == 1 ? Type::Graphics : Type::Compute);
  }
}

TEST_F(Nvml, LeavesTheMemoryOfAProcessMissingThatIsNotTold) {
  const GpuReading gpu = look_at(gpu_with(R"({"pid":2000000000,"user":"bob","memory_mb":null})"));
  ASSERT_EQ(gpu.processes.size(), 1U);
  EXPECT_EQ(gpu.processes[0].memory_mib, std::nullopt);
}

TEST_F(Nvml, ListsARealProcessWhileItRuns) {
  Child child(idle);
  const std::string gpu = gpu_with(fmt::format(R"({{"pid":{},"memory_mb":5}})", child.pid()));
  EXPECT_EQ(look_at(gpu).processes.size(), 1U);
  child.send(SIGKILL);
  child.become_zombie();
  EXPECT_TRUE(look_at(gpu).processes.empty());
}

// Forty processes: what one record too short or too long does shows in the second.
std::string many_processes() {
  std::string processes;
  for (int i = 0; i < 40; ++i) {
    processes += fmt::format(R"({}{{"pid":{},"user":"a","memory_mb":{}}})", i == 0 ? "" : ",",
                             2'000'000'000 + i, 1000 + i);
  }
  return processes;
}

void expect_many_processes(const GpuReading& gpu) {
  EXPECT_EQ(gpu.error, "");
  ASSERT_EQ(gpu.processes.size(), 40U);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(gpu.processes[i].pid, 2'000'000'000 + static_cast<int>(i));
    EXPECT_EQ(gpu.processes[i].memory_mib, 1000U + i);
  }
}

TEST_F(Nvml, ReadsTheRecordsOfEveryGenerationOfDrivers) {
  const std::string gpu = gpu_with(many_processes());
  for (const char* generation : {"full", "r535", "old"}) {
    SCOPED_TRACE(generation);
    expect_many_processes(look_at(gpu, "", generation));
  }
}

TEST_F(Nvml, ReadsAnOlderListWhereTheDriverLacksTheNewest) {
  const std::string gpu = gpu_with(many_processes());
  for (const char* generation : {"full", "r535"}) {
    SCOPED_TRACE(generation);
    expect_many_processes(
        look_at(gpu, R"("fail":{"nvmlDeviceGetComputeRunningProcesses_v3":13})", generation));
    expect_many_processes(look_at(gpu,
                                  R"("fail":{"nvmlDeviceGetComputeRunningProcesses_v3":13,
                           "nvmlDeviceGetComputeRunningProcesses_v2":13})",
                                  generation));
  }
}

TEST_F(Nvml, AsksAgainWhileTheListGrows) {
  expect_many_processes(look_at(gpu_with(many_processes()), R"("count_told":1,)" + with_log()));
  EXPECT_EQ(count_of_calls("nvmlDeviceGetComputeRunningProcesses_v3"), 4);  // room for 0 7 19 43
}

TEST_F(Nvml, GivesUpOnAListWithoutEnd) {
  for (const char* count : {"4294967295", "1048576"}) {
    const GpuReading gpu =
        look_at(gpu_with(many_processes()), std::string(R"("count_told":)") + count);
    EXPECT_EQ(gpu.error, "NVML does not tell its processes");
  }
}

TEST_F(Nvml, MakesAnErrorOfAGpuWhoseProcessesCannotBeListed) {
  for (const char* function :
       {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetMPSComputeRunningProcesses_v3"}) {
    for (const int code : {4, 999}) {
      scenario_.put("{},{}", fmt::format(R"("fail":{{"{}@1":{}}})", function, code));
      const Observation observation = look();
      EXPECT_EQ(observation.gpus.at(0).error, "");
      EXPECT_EQ(observation.gpus.at(1).error, "NVML does not tell its processes") << function;
    }
  }
}

// That is no failure: what it does tell decides.
TEST_F(Nvml, NotesWhatTheDriverDoesNotTellByDesign) {
  const GpuReading unlisted =
      look_at("{}", R"("fail":{"nvmlDeviceGetComputeRunningProcesses_v3":3})");
  EXPECT_EQ(unlisted.error, "");
  EXPECT_TRUE(unlisted.processes_not_supported);
  EXPECT_FALSE(unlisted.memory_not_supported);
  const GpuReading untold = look_at(R"({"memory_used_mb":null})");
  EXPECT_EQ(untold.error, "");
  EXPECT_TRUE(untold.memory_not_supported);
  EXPECT_FALSE(untold.processes_not_supported);
  const GpuReading failed = look_at("{}", R"("fail":{"nvmlDeviceGetMemoryInfo_v2":999})");
  EXPECT_NE(failed.error, "");
  EXPECT_FALSE(failed.memory_not_supported);
}

TEST_F(Nvml, NotesWhatTheDriverSaysOfTheHealth) {
  const GpuReading reset = look_at("{}", R"("recovery_actions":{"0":1},"faulty_memory":[0])");
  EXPECT_EQ(reset.notice, "its driver asks for a reset");
  EXPECT_TRUE(reset.needs_reset);
  const GpuReading faulty = look_at("{}", R"("faulty_memory":[0])");
  EXPECT_EQ(faulty.notice, "faulty memory is replaced at its next reset");
  EXPECT_FALSE(faulty.needs_reset);
  for (const char* generation : {"full", "old"}) {
    EXPECT_EQ(look_at("{}", "", generation).notice, "") << generation;
  }
}

// By the numbers of nvmlDeviceGpuRecoveryAction_t.
TEST_F(Nvml, TellsWhatToDoAboutEachActionOfTheDriver) {
  struct Action {
    int number;
    const char* notice;
    bool needs_reset;
    const char* advice;
  };
  for (const Action& one : std::initializer_list<Action>{
           {1, "a reset", true, "nvidia-smi --gpu-reset -i 0"},
           {2, "a reboot of the host", true, "sudo reboot"},
           {3, "peer-to-peer", false, "canhazgpu admin --drain 0"},
           {4, "end all work on it, and for a reset", true, "nvidia-smi --gpu-reset -i 0"},
           {5, "IMEX domain", false, "systemctl restart nvidia-imex"},
           {6, "a reset of its bus", true, "sudo reboot"},
           {7, "a reboot of the host", true, "sudo reboot"},
           {8, "recovery (action 8)", false, "nvidia-smi -q -i 0"}}) {
    const GpuReading gpu =
        look_at("{}", fmt::format(R"("recovery_actions":{{"0":{}}})", one.number));
    EXPECT_NE(gpu.notice.find(one.notice), std::string::npos) << gpu.notice;
    EXPECT_NE(gpu.advice.find(one.advice), std::string::npos) << gpu.advice;
    EXPECT_EQ(gpu.needs_reset, one.needs_reset) << one.number;
  }
}

TEST_F(Nvml, TakesNoProcessOfWindowsForOneOfThisHost) {
  scenario_.put(gpu_with(R"({"pid":1,"user":"x"},{"pid":2,"user":"x"},
                            {"pid":3,"user":"x","memory_mb":5})"),
                R"("process_names":{"1":"C:\\a b\\app.exe","2":"/a/b","3":"C:\\app.exe"})");
  const auto gpus_there = [&](bool in_wsl) {
    return observation_or_throw(read_nvml(clock_, standin_library("full"), in_wsl)).gpus;
  };
  EXPECT_FALSE(gpus_there(false).at(0).processes.at(0).outside);
  const GpuReading gpu = gpus_there(true).at(0);
  ASSERT_EQ(gpu.processes.size(), 3U);
  EXPECT_TRUE(gpu.processes[0].outside);
  EXPECT_EQ(gpu.processes[0].program, "app.exe");
  EXPECT_FALSE(gpu.processes[1].outside || gpu.processes[2].outside);
}

TEST_F(Nvml, NeedsNeitherTheListOfGraphicsNorThatOfMps) {
  const GpuReading gpu = look_at(gpu_with(kBobsProcess),
                                 R"("fail":{"nvmlDeviceGetGraphicsRunningProcesses_v3":3,
                                            "nvmlDeviceGetMPSComputeRunningProcesses_v3":3})");
  EXPECT_EQ(gpu.error, "");
  EXPECT_EQ(gpu.processes.size(), 1U);
}

TEST_F(Nvml, MakesAnErrorOfAProcessWithoutPid) {
  EXPECT_EQ(look_at(gpu_with(R"({"pid":0,"user":"bob","memory_mb":1})")).error,
            "NVML does not tell its processes");
}

TEST_F(Nvml, NamesAGpuThatIsLostOrMustBeResetAndGivesTheOthers) {
  scenario_.put(R"({"error":"GPU is lost"},{"error":"GPU requires reset"},{"error":"x"},{})");
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.size(), 4U);
  EXPECT_EQ(observation.gpus[0].error, "GPU is lost");
  EXPECT_EQ(observation.gpus[0].uuid, "GPU-00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(observation.gpus[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(observation.gpus[1].error, "GPU requires reset");
  EXPECT_EQ(observation.gpus[2].error, "NVML reports an unknown error");
  EXPECT_EQ(observation.gpus[3].error, "");
  EXPECT_EQ(observation.gpus[3].memory_used_mib, 45U);
}

TEST_F(Nvml, NamesAGpuThatIsLostInAnyAnswer) {
  for (const char* function :
       {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName",
        "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetMigMode",
        "nvmlDeviceGetComputeRunningProcesses_v3"}) {
    scenario_.put("{},{}", fmt::format(R"("fail":{{"{}@0":15}})", function));
    const Observation observation = look();
    ASSERT_EQ(observation.gpus.size(), 2U);
    EXPECT_EQ(observation.gpus[0].error, "GPU is lost") << function;
    EXPECT_EQ(observation.gpus[0].index, 0);
    EXPECT_EQ(observation.gpus[1].error, "") << function;
  }
}

TEST_F(Nvml, NamesWhyANeededValueCannotBeRead) {
  for (const char* function : {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID",
                               "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMigMode"}) {
    for (const auto& [code, error] :
         std::initializer_list<std::pair<int, const char*>>{{4, "no permission to read it"},
                                                            {16, "GPU requires reset"},
                                                            {17, "blocked by the operating system"},
                                                            {999, "NVML reports an unknown error"},
                                                            {77, "NVML reports error 77"}}) {
      const bool is_hidden = code == 4 && function == std::string("nvmlDeviceGetHandleByIndex_v2");
      if (is_hidden) continue;
      EXPECT_EQ(look_at("{}", fmt::format(R"("fail":{{"{}":{}}})", function, code)).error, error);
    }
  }
}

TEST_F(Nvml, MakesAnErrorOfAGpuThatHasNoNameOrHandle) {
  EXPECT_EQ(look_at(R"({"uuid":""})").error, "NVML does not tell its UUID");
  EXPECT_EQ(look_at("{}", R"("fail":{"nvmlDeviceGetUUID":3})").error,
            "NVML does not tell its UUID");
  EXPECT_EQ(look_at("{}", R"("fail":{"nvmlDeviceGetHandleByIndex_v2":3})").error,
            "NVML cannot reach it");
  EXPECT_EQ(look_at("{}", R"("gpu_count":1,"fail":{"nvmlDeviceGetUUID":7})").error,
            "NVML reports error 7");
}

TEST_F(Nvml, ReadsAGpuWithADriverThatIsOlderThanParts) {
  const GpuReading gpu = look_at(
      R"({"pci_bus_id":"0000:3B:00.0","memory_used_mb":0,"temperature_c":30,"power_w":40,
          "processes":[{"pid":2000000000,"user":"bob","memory_mb":8000}]})",
      "", "old");
  EXPECT_EQ(gpu.error, "");
  EXPECT_EQ(gpu.pci_bus_id, "0000:3b:00.0");
  EXPECT_EQ(gpu.memory_used_mib, 8500U);
  EXPECT_EQ(gpu.temperature_c, 30);
  EXPECT_EQ(gpu.power_w, 40);
  EXPECT_EQ(gpu.processes.size(), 1U);
}

TEST_F(Nvml, TellsOfAScenarioWhatTheFakeProviderTells) {
  scenario_.put(fmt::format(
                    R"({{}},{{"model":"M","memory_used_mb":1,"power_w":3,"temperature_c":4}},
                    {{"memory_total_mb":7,"pci_bus_id":"0000:3b:00.0","parts":[{{}},{{}}]}},
                    {{"processes":[{{"pid":{},"memory_mb":8000}}],"utilization_percent":null}})",
                    ::getpid()),
                R"("init":0)");
  const Observation expected = FakeProbe(clock_, ProcReader(), scenario_.file()).read_gpus();
  Observation found = look();
  ProcReader proc;
  fill_in_time(listed_processes(found), proc, seconds(30));  // as the fake provider does
  EXPECT_EQ(found.gpus, expected.gpus);
}

ReadFailure isolated_failure(const Clock& clock, Duration timeout) {
  const ReadResult found = read_isolated(
      "NVML", [&] { return read_nvml(clock, standin_library()); }, timeout);
  if (const auto* failed = std::get_if<ReadFailure>(&found)) return *failed;
  ADD_FAILURE() << "no failure";
  return {ReadFailure::Reason::Other, Error(ErrorKind::Failed, "")};
}

TEST_F(Nvml, MayCrashInAProcessOfItsOwn) {
  for (const char* function : {"nvmlInit_v2", "nvmlDeviceGetMemoryInfo_v2", "nvmlShutdown"}) {
    scenario_.put("{}", fmt::format(R"("crash_in":"{}")", function));
    const ReadFailure failed = isolated_failure(clock_, seconds(30));
    EXPECT_EQ(failed.reason, ReadFailure::Reason::Crashed);
    EXPECT_STREQ(failed.error.what(), "NVML crashed (signal 11)");
  }
}

TEST_F(Nvml, MayHangInAProcessOfItsOwn) {
  for (const char* function : {"nvmlInit_v2", "nvmlDeviceGetMemoryInfo_v2"}) {
    scenario_.put("{}", fmt::format(R"("hang_in":"{}")", function));
    const ReadFailure failed = isolated_failure(clock_, milliseconds(300));
    EXPECT_EQ(failed.reason, ReadFailure::Reason::Late);
  }
}

TEST_F(Nvml, IsTheSameInAProcessOfItsOwn) {
  scenario_.put(R"({"memory_used_mb":20,"parts":[{},{}]},{"error":"GPU is lost"},)" +
                    gpu_with(fmt::format(R"({{"pid":{},"memory_mb":5}})", ::getpid())),
                R"("delay_ms":1)");
  const Observation expected = look();
  const Observation found = observation_or_throw(read_isolated(
      "NVML", [this] { return result(); }, seconds(30)));
  EXPECT_EQ(found.gpus, expected.gpus);
  EXPECT_EQ(found.taken, expected.taken);
  EXPECT_EQ(found.source, expected.source);
}

}  // namespace
}  // namespace chg
