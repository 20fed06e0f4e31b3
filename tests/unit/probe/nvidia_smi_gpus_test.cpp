#include <gtest/gtest.h>

#include "probe/nvidia/nvidia_smi_text.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

constexpr const char* kUuid = "GPU-5f3a0c1e-0000-4b00-8000-00000000000";

std::string uuid(int number) { return kUuid + std::to_string(number); }

// A row of the columns that the probe asks for, with `memory` as both memories.
std::string row_with_memory(const std::string& memory) {
  return "0, " + uuid(0) + ", 00000000:1A:00.0, NVIDIA Example, " + memory + ", " + memory +
         ", 0, Disabled\n";
}

TEST(ParseGpus, ReadsTheRowsThatTheProbeAsksFor) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"));
  ASSERT_EQ(gpus.size(), 3U);
  const GpuReading expected{.index = 1,
                            .uuid = uuid(1),
                            .model = "NVIDIA Example 80GB",
                            .pci_bus_id = "0000:3b:00.0",
                            .memory_used_mib = 8452,
                            .memory_total_mib = 81559,
                            .utilization_percent = 97,
                            .temperature_c = {},
                            .power_w = {},
                            .processes = {},
                            .mig_devices = {},
                            .error = ""};
  EXPECT_EQ(gpus[1], expected);
  EXPECT_EQ(gpus[0].memory_used_mib, 0U);
  EXPECT_EQ(gpus[2].memory_used_mib, 4U);
  EXPECT_EQ(gpus[2].index, 2);
}

TEST(ParseGpus, ReadsHeaderAndUnits) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_header_units.csv"));
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].memory_used_mib, 61234U);
  EXPECT_EQ(gpus[0].memory_total_mib, 81559U);
  EXPECT_EQ(gpus[0].utilization_percent, 100);
  EXPECT_EQ(gpus[1].uuid, uuid(1));
  EXPECT_EQ(gpus[1].model, "");
}

TEST(ParseGpus, FindsColumnsByTheHeaderWhateverTheirOrder) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_exporter_header.csv"));
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].index, 6);
  EXPECT_EQ(gpus[0].uuid, uuid(6));
  EXPECT_EQ(gpus[0].model, "NVIDIA Example 80GB");
  EXPECT_EQ(gpus[0].memory_used_mib, 1234U);
  EXPECT_EQ(gpus[0].memory_total_mib, 81559U);
  EXPECT_EQ(gpus[0].utilization_percent, std::nullopt);
  EXPECT_EQ(gpus[0].error, "");
}

TEST(ParseGpus, TakesTheGivenColumnsWhereThereIsNoHeader) {
  const std::vector<GpuReading> gpus =
      parse_gpus("3, 87, 20000, 24564\n", "index,utilization.gpu,memory.used,memory.total");
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].index, 3);
  EXPECT_EQ(gpus[0].utilization_percent, 87);
  EXPECT_EQ(gpus[0].memory_used_mib, 20000U);
}

TEST(ParseGpus, CountsRowsWhereNoColumnGivesTheIndex) {
  const std::vector<GpuReading> gpus =
      parse_gpus("10, 20\n[N/A], 20\n", "memory.used,memory.total");
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].index, 0);
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[1].memory_used_mib, std::nullopt);
}

TEST(ParseGpus, AcceptsCarriageReturnsBlankLinesAndAMissingLastNewline) {
  const std::string row = "0, " + uuid(0) + ", 00000000:1A:00.0, NVIDIA Example, 1, 2, 3, Disabled";
  const std::vector<GpuReading> gpus = parse_gpus("\r\n\n" + row + "\r\n  \r\n\n" + row);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0], gpus[1]);
  EXPECT_EQ(gpus[0].memory_used_mib, 1U);
}

TEST(ParseGpus, AcceptsAnEmptyLastField) {
  const std::vector<GpuReading> gpus = parse_gpus("0, 7, \n", "index,memory.used,memory.total");
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, 7U);
  EXPECT_EQ(gpus[0].memory_total_mib, std::nullopt);
}

TEST(ParseGpus, AcceptsCommasInTheModel) {
  const std::vector<GpuReading> gpus =
      parse_gpus("0, Example, with comma, 5\n", "index,name,memory.used");
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].model, "Example, with comma");
  EXPECT_EQ(gpus[0].memory_used_mib, 5U);
}

class UntoldMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(UntoldMemory, IsMissingAndNeverZero) {
  const std::vector<GpuReading> gpus = parse_gpus(row_with_memory(GetParam()));
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus[0].memory_total_mib, std::nullopt);
  EXPECT_EQ(gpus[0].uuid, uuid(0));
  EXPECT_EQ(gpus[0].error, "");
}

INSTANTIATE_TEST_SUITE_P(ParseGpus, UntoldMemory,
                         ::testing::Values("[N/A]", "N/A", "[Not Supported]", "Not Supported",
                                           "[Insufficient Permissions]", "[Unknown Error]",
                                           "Unknown Error", "[Not Found]",
                                           "[Requested functionality has been deprecated]",
                                           "[Function Not Found]", "Unknown", "[Something New]", "",
                                           "-", "-5", "1.5", "12 GiB", "0x10", "twelve",
                                           "99999999999999999999999"));

struct BrokenValue {
  const char* field;
  const char* error;
};

class BrokenField : public ::testing::TestWithParam<BrokenValue> {};

TEST_P(BrokenField, IsAnErrorOfTheGpu) {
  const std::vector<GpuReading> gpus = parse_gpus(row_with_memory(GetParam().field));
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].error, GetParam().error);
  EXPECT_EQ(gpus[0].memory_used_mib, std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    ParseGpus, BrokenField,
    ::testing::Values(BrokenValue{"ERR!", "nvidia-smi reports ERR!"},
                      BrokenValue{"[GPU is lost]", "GPU is lost"},
                      BrokenValue{"GPU is lost", "GPU is lost"},
                      BrokenValue{"[GPU requires reset]", "GPU requires reset"},
                      BrokenValue{"GPU requires reset", "GPU requires reset"}));

TEST(ParseGpus, KeepsTheOthersBesideBrokenOnes) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_broken.csv"));
  ASSERT_EQ(gpus.size(), 4U);  // the fifth row breaks off
  EXPECT_EQ(gpus[0].error, "nvidia-smi reports ERR!");
  EXPECT_EQ(gpus[1].error, "GPU requires reset");
  EXPECT_EQ(gpus[2].error, "GPU is lost");
  EXPECT_EQ(gpus[2].uuid, "");
  EXPECT_EQ(gpus[2].model, "");
  EXPECT_EQ(gpus[3].error, "");
  EXPECT_EQ(gpus[3].memory_used_mib, 45U);
}

TEST(ParseGpus, TakesNoErrorFromColumnsThatSayNothingOfTheWholeGpu) {
  const std::vector<GpuReading> gpus = parse_gpus("0, ERR!, 5\n", "index,fan.speed,memory.used");
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].error, "");
}

TEST(ParseGpus, LeavesTheMemoryOfAMigParentMissing) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_mig_no_permission.csv"));
  ASSERT_EQ(gpus.size(), 2U);
  for (const GpuReading& gpu : gpus) {
    EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
    EXPECT_EQ(gpu.utilization_percent, std::nullopt);
    EXPECT_EQ(gpu.error, "");
  }
  EXPECT_EQ(gpus[1].memory_total_mib, 81559U);
}

TEST(ParseGpus, RefusesAnImpossibleUtilization) {
  const std::vector<GpuReading> gpus =
      parse_gpus("0, 101 %\n1, 100 %\n2, 4294967295\n", "index,utilization.gpu");
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[0].utilization_percent, std::nullopt);
  EXPECT_EQ(gpus[1].utilization_percent, 100);
  EXPECT_EQ(gpus[2].utilization_percent, std::nullopt);
}

TEST(ParseGpus, KeepsTheOthersBesideAnUnreachableOneThatHasNoRow) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_one_unreachable.txt"));
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].index, 0);
  EXPECT_EQ(gpus[1].index, 2);
  EXPECT_EQ(gpus[0].error + gpus[1].error, "");
}

TEST(ParseGpus, FindsTheRowOfAnUnreachableGpuByItsBusId) {
  const std::string text =
      "Unable to determine the device handle for GPU0000:1a:00.0: Unknown Error\n" +
      row_with_memory("[Unknown Error]") + "1, " + uuid(1) +
      ", 00000001:1A:00.0, NVIDIA Example, 1, 2, 3, Disabled\n";
  const std::vector<GpuReading> gpus = parse_gpus(text);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].error, "nvidia-smi cannot reach it: Unknown Error");
  EXPECT_EQ(gpus[1].error, "");
}

TEST(ParseGpus, EntersAnUnreachableGpuWhoseIndexIsTold) {
  const std::string text =
      row_with_memory("3") +
      "Unable to determine the device handle for GPU1: 0000:3B:00.0: GPU is lost.  Reboot\n" +
      "2, " + uuid(2) + ", 00000000:5E:00.0, NVIDIA Example, 1, 2, 3, Disabled\n";
  const std::vector<GpuReading> gpus = parse_gpus(text);
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[1].uuid, "");
  EXPECT_EQ(gpus[1].error, "GPU is lost");
  EXPECT_EQ(gpus[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus[2].index, 2);
}

TEST(DividedGpus, AreThoseWhoseRowsSayThatMigIsEnabled) {
  const auto row = [](int index, const std::string& mode) {
    return std::to_string(index) + ", " + uuid(index) + ", 0, M, [N/A], 5, [N/A], " + mode + "\n";
  };
  EXPECT_EQ(divided_gpus("WARNING: odd, MIG, Enabled\n" + row(4, "Disabled") + row(2, "Enabled") +
                         row(7, "[N/A]") + row(6, "enabled") + row(5, "")),
            (std::vector<int>{2, 6}));
  EXPECT_EQ(divided_gpus("memory.used [MiB], mig.mode.current\n5, Disabled\n5, Enabled\n"),
            std::vector<int>{1});
  EXPECT_TRUE(divided_gpus("index, memory.used\n1, 5\n").empty());
  EXPECT_TRUE(divided_gpus("No devices were found\n").empty());
}

TEST(ParseGpus, ReadsNothingFromAnythingElse) {
  for (const std::string text :
       {"", "\n\n", "No devices were found\n", "one, two, three, four, five, six, seven, eight\n",
        "Unable to determine the device handle for GPU1: 0000:3B:00.0: GPU is lost.\n",
        "index, uuid, memory.used [MiB]\n", "0, GPU-x, 00000000:1A:00.0\n", ",,,,,,,\n"}) {
    EXPECT_TRUE(parse_gpus(text).empty()) << text;
  }
  EXPECT_TRUE(parse_gpus(fixture("error_mismatch.txt")).empty());
}

TEST(ParseGpus, SurvivesHugeAndBinaryLines) {
  std::string text = std::string(1 << 20, ',') + "\n" + std::string(1 << 20, 'x') + "\n";
  text += std::string("\0\xff\x1b[2J, \0", 9) + "\n";
  text += "Unable to determine the device handle for GPU " + std::string(1 << 20, '0') + "\n";
  text += row_with_memory("7");
  const std::vector<GpuReading> gpus = parse_gpus(text);
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, 7U);
}

}  // namespace
}  // namespace chg
