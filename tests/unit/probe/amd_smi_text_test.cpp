#include "probe/amd/amd_smi_text.h"

#include <gtest/gtest.h>

#include "unit/probe/fixture.h"
#include "unit/probe/said.h"

namespace chg {
namespace {

std::string shown(const std::optional<std::map<int, std::vector<GpuProcess>>>& processes) {
  if (!processes) return "none";
  std::string text;
  for (const auto& [gpu, list] : *processes) {
    text += "[" + std::to_string(gpu) + ":";
    for (const GpuProcess& process : list) {
      text += " " + std::to_string(process.pid) + "(" + process.program +
              ")=" + said(process.memory_mib);
    }
    text += "]";
  }
  return text;
}

std::string processes(const std::string& text) { return shown(parse_amd_smi_processes(text)); }

constexpr const char* kGroups =
    "WARNING: User is missing the following required groups: render, video. Please add user to "
    "these groups.\n";

TEST(AmdSmiGpus, AreKnownByTheSerialNumberOfTheChip) {
  const auto gpus = parse_amd_smi_gpus(kGroups + fixture("amd_smi_static.json"));
  ASSERT_TRUE(gpus.has_value());
  ASSERT_EQ(gpus->size(), 2U);
  EXPECT_EQ(gpus->at(0).index, 0);
  EXPECT_EQ(gpus->at(0).uuid, "GPU-0123456789abcdef");
  EXPECT_EQ(gpus->at(0).model, "AMD Radeon Example");
  EXPECT_EQ(gpus->at(0).pci_bus_id, "0000:0a:00.0");
  EXPECT_EQ(gpus->at(1).uuid, "PCI-0000:43:00.0");
  EXPECT_EQ(gpus->at(1).model, "");
}

TEST(AmdSmiGpus, AreReadFromAList) {
  const auto gpus = parse_amd_smi_gpus(
      R"([{"gpu": 3, "bdf": "0000:03:00.0", "uuid": "a4ff7551-0000-1000-80ac-21a676f77a5b"}])");
  ASSERT_TRUE(gpus.has_value());
  EXPECT_EQ(gpus->at(0).index, 3);
  EXPECT_EQ(gpus->at(0).uuid, "PCI-0000:03:00.0");
}

TEST(AmdSmiGpus, AreMissingInOtherAnswers) {
  for (const char* text : {"", "[]", "{}", "[1, \"x\", null, [], {}]", "{\"gpu_data\": 5}",
                           "[{\"gpu\": -1}]", "[{\"gpu\": 99999999999}]", "[{\"gpu\": []}]"}) {
    EXPECT_EQ(parse_amd_smi_gpus(text), std::nullopt) << text;
  }
}

TEST(AmdSmiGpus, AreReadInPartWhereTypesAreWrong) {
  const auto gpus = parse_amd_smi_gpus(
      R"([{"gpu": 0, "asic": [], "bus": "x"}, {"gpu": 1, "asic": {"asic_serial": 5, "market_name": {}}},
          {"gpu": 2, "asic": {"asic_serial": "0x1ffffffffffffffff"}, "bdf": "x"}])");
  ASSERT_TRUE(gpus.has_value());
  for (const GpuReading& gpu : *gpus) EXPECT_EQ(gpu.uuid + gpu.model + gpu.pci_bus_id, "");
}

class AmdSmiMetrics : public ::testing::Test {
 protected:
  AmdSmiMetrics() { gpus_[1].index = 1; }
  bool add(const std::string& text) { return add_amd_smi_metrics(gpus_, text); }

  std::vector<GpuReading> gpus_{2};
};

TEST_F(AmdSmiMetrics, AreReadWithUnits) {
  EXPECT_TRUE(add(fixture("amd_smi_metric_units.json")));
  EXPECT_EQ(gpus_[0].memory_used_mib, 20450U);
  EXPECT_EQ(gpus_[0].memory_total_mib, 30576U);
  EXPECT_EQ(gpus_[0].utilization_percent, 91);
  EXPECT_EQ(gpus_[0].temperature_c, 79);
  EXPECT_EQ(gpus_[0].power_w, 103);
  EXPECT_EQ(gpus_[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus_[1].memory_total_mib, std::nullopt);
  EXPECT_EQ(gpus_[1].utilization_percent, std::nullopt);
  EXPECT_EQ(gpus_[1].temperature_c, 41);
  EXPECT_EQ(gpus_[1].power_w, std::nullopt);
}

TEST_F(AmdSmiMetrics, AreReadInTheWrapperOfLaterVersions) {
  EXPECT_TRUE(add("{\"gpu_data\": " + fixture("amd_smi_metric_units.json") + "}"));
  EXPECT_EQ(gpus_[0].memory_used_mib, 20450U);
}

TEST_F(AmdSmiMetrics, AreReadAsBareNumbers) {
  EXPECT_TRUE(add(R"([{"gpu": 0, "mem_usage": {"vram": 8176, "used_vram": 202}},
                      {"gpu": 1, "mem_usage": {"total_vram": 8176, "used_vram": "N/A"}}])"));
  EXPECT_EQ(gpus_[0].memory_used_mib, 202U);
  EXPECT_EQ(gpus_[0].memory_total_mib, 8176U);
  EXPECT_EQ(gpus_[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus_[1].memory_total_mib, 8176U);
}

TEST_F(AmdSmiMetrics, CountOnlyForTheGpusThatTheyName) {
  EXPECT_TRUE(add(R"([{"gpu": 1, "mem_usage": {"used_vram": 5}}, {"gpu": 7}])"));
  EXPECT_EQ(gpus_[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus_[1].memory_used_mib, 5U);
}

TEST_F(AmdSmiMetrics, AreNoneInOtherAnswers) {
  for (const char* text : {"", "[]", "{}", "[{\"gpu\": 7}]", "[[], 5, null]"}) {
    EXPECT_FALSE(add(text)) << text;
  }
}

TEST_F(AmdSmiMetrics, AreMissingWhereNumbersAreNotSensible) {
  EXPECT_TRUE(add(
      R"([{"gpu": 0, "usage": {"gfx_activity": 65535}, "temperature": {"edge": 1e30},
           "power": {"socket_power": -5}, "mem_usage": {"used_vram": -1, "total_vram": 1e300}}])"));
  EXPECT_EQ(gpus_[0].utilization_percent, std::nullopt);
  EXPECT_EQ(gpus_[0].temperature_c, std::nullopt);
  EXPECT_EQ(gpus_[0].power_w, std::nullopt);
  EXPECT_EQ(gpus_[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus_[0].memory_total_mib, std::nullopt);
}

TEST(AmdSmiProcesses, AreReadAsAList) {
  EXPECT_EQ(processes(kGroups + fixture("amd_smi_process_list.json")),
            "[0: 5001(python3.12)=20590 2000000002()=1][1:]");
  EXPECT_EQ(processes("{\"gpu_data\": " + fixture("amd_smi_process_list.json") + "}"),
            "[0: 5001(python3.12)=20590 2000000002()=1][1:]");
}

TEST(AmdSmiProcesses, AreReadOneByOne) {
  EXPECT_EQ(processes(R"([{"gpu": 0, "process_info": {"pid": 7, "name": "a", "mem_usage": 1048577}},
                          {"gpu": 0, "process_info": {"pid": 8, "name": "b", "mem_usage": "1 MB"}},
                          {"gpu": 1, "process_info": "Not Found"}])"),
            "[0: 7(a)=2 8(b)=1][1:]");
}

TEST(AmdSmiProcesses, HaveTheLargerOfTheirTwoAmountsOfMemory) {
  const auto with = [](const std::string& shared, const std::string& own) {
    return processes(R"([{"gpu": 0, "process_list": [{"process_info": {"pid": 7, "mem_usage": )" +
                     own + R"(, "memory_usage": {"vram_mem": )" + shared + "}}}]}]");
  };
  EXPECT_EQ(with("1048576", "0"), "[0: 7()=1]");
  EXPECT_EQ(with("0", "{\"value\": 1048576}"), "[0: 7()=1]");
  EXPECT_EQ(with("\"N/A\"", "1048576"), "[0: 7()=1]");
  EXPECT_EQ(with("0", "0"), "[0: 7()=0]");
  EXPECT_EQ(with("\"N/A\"", "\"N/A\""), "[0: 7()=?]");
}

TEST(AmdSmiProcesses, AreUnknownWhereItSaysSomethingElse) {
  EXPECT_EQ(processes(R"([{"gpu": 0, "process_info": "N/A"}, {"gpu": 1, "process_list": "N/A"},
                          {"gpu": 2, "process_list": {}}, {"gpu": 3}, {"gpu": 4, "process_list": [5]},
                          {"gpu": 5, "process_list": [{"process_info": null}]},
                          {"gpu": 6, "process_list": [[[]]]},
                          {"gpu": 7, "process_list": "No running processes detected"},
                          {"gpu": 8, "process_list": []}])"),
            "[7:][8:]");
  EXPECT_EQ(processes(R"([{"gpu": 0, "process_info": {"pid": 7}}, {"gpu": 0, "process_info": 5}])"),
            "");
}

TEST(AmdSmiProcesses, HavePidZeroWhereItIsNotTold) {
  EXPECT_EQ(processes(R"([{"gpu": 0, "process_list": [{"process_info": {"pid": "N/A"}},
                          {"process_info": {"pid": -4}}, {"process_info": {"pid": 99999999999}}]}])"),
            "[0: 0()=? 0()=? 0()=?]");
}

TEST(AmdSmiProcesses, AreMissingInOtherAnswers) {
  EXPECT_EQ(processes(""), "none");
  EXPECT_EQ(processes("GPU: 0\n    PROCESS_INFO:\n        PID: 2266127\n"), "none");
  EXPECT_EQ(processes("{\"error\": 5}"), "none");
  EXPECT_EQ(processes("[1, null, \"x\"]"), "");
}

TEST(AmdSmiVersion, IsItsFirstTwoNumbers) {
  EXPECT_EQ(parse_amd_smi_version("AMDSMI Tool: 26.2.1+fc0010cf6a | AMDSMI Library version: "
                                  "26.2.1 | ROCm version: 7.2.0"),
            "26.2");
  EXPECT_EQ(
      parse_amd_smi_version(
          R"([{"tool": "AMDSMI Tool", "version": "24.5.1+c5106a9", "rocm_version": "6.1.2"}])"),
      "24.5");
  EXPECT_EQ(parse_amd_smi_version("AMDSMI Tool: 26"), "26");
}

TEST(AmdSmiVersion, IsMissingWhereItIsNotSaid) {
  EXPECT_EQ(parse_amd_smi_version(""), "");
  EXPECT_EQ(parse_amd_smi_version("AMDSMI Tool: N/A"), "");
  EXPECT_EQ(parse_amd_smi_version("AMD-SMI Command '--version' is invalid. Error code: -10"), "");
}

TEST(AmdSmiError, QuotesWhatTheToolSays) {
  const Error error = amd_smi_error("", "WARNING: x\n\nno GPU, \x1b[31mnone\n", 1);
  EXPECT_EQ(error.what(), std::string("amd-smi failed: 'no GPU, \\x1b[31mnone'"));
  EXPECT_EQ(error.hint(), "run `amd-smi` to see what it says");
  EXPECT_EQ(amd_smi_error("======\nERROR: x\n", "", 0).what(),
            std::string("amd-smi failed: 'ERROR: x'"));
}

TEST(AmdSmiError, QuotesTheEndOfATrace) {
  EXPECT_EQ(
      amd_smi_error("", "Traceback (most recent call last):\n  File \"x\"\nKeyError: 'y'\n", 1)
          .what(),
      std::string("amd-smi failed: 'KeyError: 'y''"));
}

TEST(AmdSmiError, NamesTheGroupsThatAreMissing) {
  const Error error = amd_smi_error(kGroups, "", 0);
  EXPECT_EQ(error.what(), std::string("amd-smi gave no readings"));
  EXPECT_EQ(error.hint(), "reading AMD GPUs takes the groups 'render' and 'video'");
}

TEST(AmdSmiError, TellsTheExitStatusOfASilentTool) {
  EXPECT_EQ(amd_smi_error("", "", 3).what(), std::string("amd-smi failed with exit status 3"));
}

TEST(AmdSmiModel, IsReadableOrMissing) {
  const auto model = [](const std::string& asic) {
    return parse_amd_smi_gpus(R"([{"gpu": 0, "asic": {)" + asic + "}}]").value().at(0).model;
  };
  EXPECT_EQ(model(R"("market_name": "AMD Instinct MI300X")"), "AMD Instinct MI300X");
  EXPECT_EQ(model(R"("market_name": "0x1002", "target_graphics_version": "gfx1036")"),
            "AMD gfx1036");
  EXPECT_EQ(model(R"("market_name": "0x1002", "target_graphics_version": "N/A")"), "");
  EXPECT_EQ(model(R"("market_name": "N/A")"), "");
}

}  // namespace
}  // namespace chg
