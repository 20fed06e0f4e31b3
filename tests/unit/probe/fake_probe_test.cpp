#include "probe/fake_probe.h"

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixed_clock.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Fake : public ::testing::Test {
 protected:
  void put(const std::string& text) { folder_.write("gpus.json", text); }
  Observation look() { return FakeProbe(clock_, ProcReader(), file_).read_gpus(); }

  GpuReading look_at_one(const std::string& gpu) {
    put(R"({"gpus":[)" + gpu + "]}");
    const Observation observation = look();
    EXPECT_EQ(observation.gpus.size(), 1U);
    return observation.gpus.at(0);
  }

  GpuReading look_at_process(const std::string& process) {
    return look_at_one(R"({"memory_used_mb":45,"processes":[)" + process + "]}");
  }

  Error failure() {
    try {
      look();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorKind::Failed, "");
  }

  FixedClock clock_;
  TemporaryFolder folder_;
  std::string file_ = folder_.path("gpus.json");
};

TEST_F(Fake, ReadsAWholeGpu) {
  const GpuReading gpu = look_at_one(
      R"({"uuid":"GPU-a","model":"M","memory_total_mb":1000,"memory_used_mb":10,
          "utilization_percent":55,"temperature_c":41,"power_w":699,"pci_bus_id":"0001:3b:0a.0",
          "error":"GPU is lost",
          "parts":[{"uuid":"MIG-a","model":"P","memory_total_mb":500,"memory_used_mb":9}],
          "processes":[
          {"pid":12,"memory_mb":300,"type":"graphics","user":"bob","uid":1001,
           "program":"python3","command_line":"python3 train.py","reservation_id":"r-1"}]})");
  GpuProcess process;
  process.pid = 12;
  process.uid = 1001;
  process.user = "bob";
  process.program = "python3";
  process.command_line = "python3 train.py";
  process.memory_mib = 300;
  process.type = GpuProcess::Type::Graphics;
  process.reservation_id = "r-1";
  const GpuReading expected{.index = 0,
                            .uuid = "GPU-a",
                            .model = "M",
                            .pci_bus_id = "0001:3b:0a.0",
                            .memory_used_mib = 310,
                            .memory_total_mib = 1000,
                            .utilization_percent = 55,
                            .temperature_c = 41,
                            .power_w = 699,
                            .processes = {process},
                            .mig_devices = {{.uuid = "MIG-a",
                                             .model = "P",
                                             .memory_used_mib = 9,
                                             .memory_total_mib = 500}},
                            .error = "GPU is lost"};
  EXPECT_EQ(gpu, expected);
}

TEST_F(Fake, MakesAnIdleGpuOfAnEmptyEntry) {
  put(R"({"gpus":[{},{}]})");
  const Observation observation = look();
  ASSERT_EQ(observation.gpus.size(), 2U);
  const GpuReading expected{.index = 1,
                            .uuid = "GPU-00000000-0000-0000-0000-000000000001",
                            .model = "Simulated H100 80GB",
                            .pci_bus_id = "",
                            .memory_used_mib = 45,
                            .memory_total_mib = 81920,
                            .utilization_percent = 0,
                            .temperature_c = {},
                            .power_w = {},
                            .processes = {},
                            .mig_devices = {},
                            .error = ""};
  EXPECT_EQ(observation.gpus[1], expected);
  EXPECT_EQ(observation.taken, clock_.now());
}

TEST_F(Fake, ShowsAGpuToThoseWhoSeeIt) {
  put(R"({"gpus":[{"seen_by":[0]},{},{"seen_by":[7,1000]}]})");
  const Observation seen =
      FakeProbe(clock_, ProcReader(), file_, std::chrono::seconds(10), 1000).read_gpus();
  ASSERT_EQ(seen.gpus.size(), 2U);
  EXPECT_EQ(seen.gpus[0].index, 1);
  EXPECT_EQ(seen.gpus[1].index, 2);
}

TEST_F(Fake, ReadsTheFileAfreshOnEachLook) {
  put(R"({"gpus":[{}]})");
  FakeProbe probe(clock_, ProcReader(), file_);
  EXPECT_EQ(probe.read_gpus().gpus.size(), 1U);
  put(R"({"gpus":[{},{"memory_used_mb":7}]})");
  EXPECT_EQ(probe.read_gpus().gpus.at(1).memory_used_mib, 7U);
}

TEST_F(Fake, LeavesNullValuesMissing) {
  const GpuReading gpu = look_at_one(
      R"({"memory_total_mb":null,"memory_used_mb":null,"utilization_percent":null,
          "processes":[{"pid":1,"memory_mb":5,"user":"bob"}]})");
  EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.memory_total_mib, std::nullopt);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
}

TEST_F(Fake, MakesAPartOfAnEmptyEntry) {
  put(R"({"gpus":[{},{"model":"M","parts":[{},{"memory_used_mb":null,"memory_total_mb":null}]}]})");
  const GpuReading gpu = look().gpus.at(1);
  ASSERT_EQ(gpu.mig_devices.size(), 2U);
  EXPECT_EQ(gpu.mig_devices[0].uuid, "MIG-00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(gpu.mig_devices[0].model, "M MIG 1g.10gb");
  EXPECT_EQ(gpu.mig_devices[0].memory_used_mib, 9U);
  EXPECT_EQ(gpu.mig_devices[0].memory_total_mib, 9984U);
  EXPECT_EQ(gpu.mig_devices[1].uuid, "MIG-00000000-0000-0000-0001-000000000001");
  EXPECT_EQ(gpu.mig_devices[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.mig_devices[1].memory_total_mib, std::nullopt);
  EXPECT_EQ(gpu.memory_used_mib, 45U);
}

TEST_F(Fake, LeavesMeasuresMissingThatAreNull) {
  const GpuReading gpu = look_at_one(R"({"temperature_c":null,"power_w":null})");
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.power_w, std::nullopt);
}

TEST_F(Fake, PassesOverWhatIsForTheStandIn) {
  put(R"({"gpus":[{}],"standin":{"init":18,"anything":[]}})");
  EXPECT_EQ(look().gpus.size(), 1U);
}

TEST_F(Fake, LeavesTheMemoryOfAProcessMissingThatIsNullOrNotGiven) {
  for (const char* process :
       {R"({"pid":1,"user":"bob","memory_mb":null})", R"({"pid":1,"user":"bob"})"}) {
    const GpuReading gpu = look_at_process(process);
    ASSERT_EQ(gpu.processes.size(), 1U);
    EXPECT_EQ(gpu.processes[0].memory_mib, std::nullopt);
    EXPECT_EQ(gpu.memory_used_mib, 45U);
  }
}

TEST_F(Fake, ListsASimulatedProcessThoughItDoesNotRun) {
  const GpuReading gpu = look_at_process(R"({"pid":2000000000,"memory_mb":8000,"user":"bob"})");
  ASSERT_EQ(gpu.processes.size(), 1U);
  EXPECT_EQ(gpu.processes[0].pid, 2'000'000'000);
  EXPECT_EQ(gpu.processes[0].user, "bob");
  EXPECT_EQ(gpu.processes[0].type, GpuProcess::Type::Compute);
  EXPECT_EQ(gpu.processes[0].start_ticks, std::nullopt);
  EXPECT_EQ(gpu.processes[0].reservation_id, std::nullopt);
  EXPECT_EQ(gpu.memory_used_mib, 8045U);
}

TEST_F(Fake, FindsTheUidOfASimulatedUser) {
  EXPECT_EQ(look_at_process(R"({"pid":5,"user":"root"})").processes.at(0).uid, 0U);
  EXPECT_EQ(look_at_process(R"({"pid":5,"user":"root","uid":7})").processes.at(0).uid, 7U);
  EXPECT_EQ(look_at_process(R"({"pid":5,"user":"no-such-account"})").processes.at(0).uid,
            std::nullopt);
  EXPECT_EQ(look_at_process(R"({"pid":5,"program":"x","uid":0})").processes.at(0).user, "");
}

TEST_F(Fake, DoesNotTakeASimulatedProcessForARealOne) {
  const std::string pid = std::to_string(::getpid());
  const GpuReading gpu = look_at_process(R"({"program":"x","pid":)" + pid + "}");
  EXPECT_EQ(gpu.processes.at(0).program, "x");
  EXPECT_EQ(gpu.processes.at(0).user, "");
  EXPECT_EQ(gpu.processes.at(0).start_ticks, std::nullopt);
}

TEST_F(Fake, TellsTheFactsOfARealProcess) {
  const std::string pid = std::to_string(::getpid());
  const GpuReading gpu = look_at_process(R"({"memory_mb":8000,"pid":)" + pid + "}");
  ASSERT_EQ(gpu.processes.size(), 1U);
  EXPECT_EQ(gpu.processes[0].program, "unit_probe");
  EXPECT_EQ(gpu.processes[0].uid, ::getuid());
  EXPECT_TRUE(gpu.processes[0].start_ticks.has_value());
  EXPECT_EQ(gpu.memory_used_mib, 8045U);
}

TEST_F(Fake, LetsTheFileOverruleWhatProcTells) {
  const std::string pid = std::to_string(::getpid());
  const GpuReading gpu = look_at_process(R"({"reservation_id":"r-1","uid":7,"pid":)" + pid + "}");
  EXPECT_EQ(gpu.processes.at(0).reservation_id, "r-1");
  EXPECT_EQ(gpu.processes.at(0).uid, 7U);
  EXPECT_EQ(gpu.processes.at(0).program, "unit_probe");
}

TEST_F(Fake, ListsARealProcessOnlyWhileItRuns) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const std::string entry = R"({"memory_mb":8000,"pid":)" + std::to_string(child) + "}";
  EXPECT_EQ(look_at_process(entry).processes.size(), 1U);
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_TRUE(look_at_process(entry).processes.empty());  // a zombie
  ::waitpid(child, nullptr, 0);
  const GpuReading gpu = look_at_process(entry);
  EXPECT_TRUE(gpu.processes.empty());
  EXPECT_EQ(gpu.memory_used_mib, 45U);
}

TEST_F(Fake, FailsAsTheFileSays) {
  put(R"({"error":"the driver is gone","gpus":[{}]})");
  EXPECT_STREQ(failure().what(), "the driver is gone");
  put(R"({"error":"","gpus":[{}]})");
  EXPECT_EQ(look().gpus.size(), 1U);
}

TEST_F(Fake, TakesAsLongAsTheFileSays) {
  put(R"({"delay_ms":40,"gpus":[{}]})");
  const auto begin = std::chrono::steady_clock::now();
  look();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(40));
}

TEST_F(Fake, RefusesAMissingFileWithAHint) {
  const Error error = failure();
  EXPECT_EQ(error.what(), "cannot read '" + file_ + "': No such file or directory");
  EXPECT_NE(error.hint().find("canhazgpu admin --provider fake --gpus 8"), std::string::npos);
}

TEST_F(Fake, RefusesAFolder) {
  std::filesystem::create_directory(file_);
  EXPECT_EQ(failure().what(), "'" + file_ + "' is not a regular file");
}

TEST_F(Fake, NamesTheLineThatIsNoJson) {
  put("{\n  \"gpus\": [\n    {\"model\": }\n  ]\n}\n");
  EXPECT_EQ(failure().what(), "'" + file_ + "' line 3 is not valid JSON");
  EXPECT_NE(failure().hint(), "");
  put("");
  EXPECT_EQ(failure().what(), "'" + file_ + "' line 1 is not valid JSON");
}

TEST_F(Fake, SuggestsTheKeyThatWasMeant) {
  put(R"({"gpus":[{},{"memory_usd_mb":5}]})");
  EXPECT_EQ(failure().what(), "'" + file_ + "': unknown key 'gpus[1].memory_usd_mb'");
  EXPECT_EQ(failure().hint(), "did you mean 'memory_used_mb'?");
}

struct Mistake {
  const char* text;
  const char* message;
};

class FakeMistake : public Fake, public ::testing::WithParamInterface<Mistake> {};

TEST_P(FakeMistake, IsRefusedWithFileAndKey) {
  put(GetParam().text);
  EXPECT_EQ(failure().what(), "'" + file_ + "': " + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Fake, FakeMistake,
    ::testing::Values(
        Mistake{"[]", "the file must be an object, not '[]'"},
        Mistake{"{}", "gpus must be a list, not 'null'"},
        Mistake{R"({"gpus":{}})", "gpus must be a list, not '{}'"},
        Mistake{R"({"gpus":[],"x":1})", "unknown key 'x'"},
        Mistake{R"({"gpus":[],"error":5})", "error must be a text, not '5'"},
        Mistake{R"({"gpus":[],"delay_ms":-1})",
                "delay_ms must be a whole number up to 3600000, or null, not '-1'"},
        Mistake{R"({"gpus":[7]})", "gpus[0] must be an object, not '7'"},
        Mistake{R"({"gpus":[{"model":null}]})", "gpus[0].model must be a text, not 'null'"},
        Mistake{R"({"gpus":[{"memory_used_mb":"45"}]})",
                "gpus[0].memory_used_mb must be a whole number up to 1099511627776, or null, not "
                "'\"45\"'"},
        Mistake{R"({"gpus":[{"memory_used_mb":4.5}]})",
                "gpus[0].memory_used_mb must be a whole number up to 1099511627776, or null, not "
                "'4.5'"},
        Mistake{R"({"gpus":[{"utilization_percent":101}]})",
                "gpus[0].utilization_percent must be a whole number up to 100, or null, not '101'"},
        Mistake{R"({"gpus":[],"standin":18})", "standin must be an object, not '18'"},
        Mistake{R"({"gpus":[{"power_w":-1}]})",
                "gpus[0].power_w must be a whole number up to 1000000, or null, not '-1'"},
        Mistake{R"({"gpus":[{"pci_bus_id":"0000:3B:00.0"}]})",
                "gpus[0].pci_bus_id must be an address like \"0000:3b:00.0\", in lower case, not "
                "'\"0000:3B:00.0\"'"},
        Mistake{R"({"gpus":[{"pci_bus_id":"0000:3b:00"}]})",
                "gpus[0].pci_bus_id must be an address like \"0000:3b:00.0\", in lower case, not "
                "'\"0000:3b:00\"'"},
        Mistake{R"({"gpus":[{"parts":[{"power_w":1}]}]})",
                "unknown key 'gpus[0].parts[0].power_w'"},
        Mistake{R"({"gpus":[{"seen_by":0}]})", "gpus[0].seen_by must be a list, not '0'"},
        Mistake{R"({"gpus":[{"processes":{}}]})", "gpus[0].processes must be a list, not '{}'"},
        Mistake{R"({"gpus":[{"processes":[{}]}]})",
                "gpus[0].processes[0].pid must be a process id, not 'null'"},
        Mistake{R"({"gpus":[{"processes":[{"pid":0}]}]})",
                "gpus[0].processes[0].pid must be a process id, not '0'"},
        Mistake{R"({"gpus":[{"processes":[{"pid":1,"type":"gpu"}]}]})",
                "gpus[0].processes[0].type must be \"compute\" or \"graphics\", not '\"gpu\"'"},
        Mistake{R"({"gpus":[{"processes":[{"pid":1,"user":5}]}]})",
                "gpus[0].processes[0].user must be a text, not '5'"},
        Mistake{R"({"gpus":[{"processes":[{"pid":1,"pids":5}]}]})",
                "unknown key 'gpus[0].processes[0].pids'"}));

}  // namespace
}  // namespace chg
