#include <gtest/gtest.h>

#include "probe/nvidia/nvidia_smi_text.h"
#include "unit/probe/fixture.h"
#include "unit/probe/nvidia_uuid.h"

namespace chg {
namespace {

// A row of the columns that the probe asks for, with `memory` as both memories.
std::string row_with_memory(const std::string& memory) {
  return "0, " + uuid(0) + ", 00000000:1A:00.0, NVIDIA Example, " + memory + ", " + memory +
         ", 0, Disabled\n";
}

TEST(ParseGpus, ReadsTheRowsThatTheProbeAsksFor) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
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

TEST(ParseGpus, CountsRowsThatDoNotTellTheirIndex) {
  const std::string row = "[Unknown Error], " + uuid(0) + ", 0, NVIDIA Example, 1, 2, 3, [N/A]\n";
  const std::vector<GpuReading> gpus = parse_gpus(row + row, kToMigMode);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].index, 0);
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[1].pci_bus_id, "");
}

TEST(ParseGpus, AcceptsCarriageReturnsBlankLinesAndAMissingLastNewline) {
  const std::string row = "0, " + uuid(0) + ", 00000000:1A:00.0, NVIDIA Example, 1, 2, 3, Disabled";
  const std::vector<GpuReading> gpus =
      parse_gpus("\r\n\n" + row + "\r\n  \r\n\n" + row, kToMigMode);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0], gpus[1]);
  EXPECT_EQ(gpus[0].memory_used_mib, 1U);
}

TEST(ParseGpus, AcceptsAnEmptyLastField) {
  const std::vector<GpuReading> gpus =
      parse_gpus("0, GPU-a, 0000:1a:00.0, M, 7, 8, 9, \n", kToMigMode);
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, 7U);
  EXPECT_EQ(gpus[0].utilization_percent, 9);
}

TEST(ParseGpus, AcceptsCommasInTheModel) {
  const std::vector<GpuReading> gpus =
      parse_gpus("0, GPU-a, 0000:1a:00.0, Example, with, commas,, 5, 6, 7, Disabled\n", kToMigMode);
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].model, "Example, with, commas,");
  EXPECT_EQ(gpus[0].memory_used_mib, 5U);
  EXPECT_EQ(gpus[0].memory_total_mib, 6U);
}

class UntoldMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(UntoldMemory, IsMissingAndNeverZero) {
  const std::vector<GpuReading> gpus = parse_gpus(row_with_memory(GetParam()), kToMigMode);
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus[0].memory_total_mib, std::nullopt);
  EXPECT_EQ(gpus[0].uuid, uuid(0));
  EXPECT_EQ(gpus[0].error, "");
  const std::string field = GetParam();
  EXPECT_EQ(gpus[0].memory_not_supported, field.find("N/A") != std::string::npos ||
                                              field.find("Not Supported") != std::string::npos);
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
  const std::vector<GpuReading> gpus = parse_gpus(row_with_memory(GetParam().field), kToMigMode);
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
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_broken.csv"), kToMigMode);
  ASSERT_EQ(gpus.size(), 4U);  // the fifth row breaks off
  EXPECT_EQ(gpus[0].error, "nvidia-smi reports ERR!");
  EXPECT_EQ(gpus[1].error, "GPU requires reset");
  EXPECT_EQ(gpus[2].error, "GPU is lost");
  EXPECT_EQ(gpus[2].uuid, "");
  EXPECT_EQ(gpus[2].model, "");
  EXPECT_EQ(gpus[3].error, "");
  EXPECT_EQ(gpus[3].memory_used_mib, 45U);
}

TEST(ParseGpus, LeavesTheMemoryOfAMigParentMissing) {
  const std::vector<GpuReading> gpus =
      parse_gpus(fixture("gpus_mig_no_permission.csv"), kToMigMode);
  ASSERT_EQ(gpus.size(), 2U);
  for (const GpuReading& gpu : gpus) {
    EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
    EXPECT_EQ(gpu.utilization_percent, std::nullopt);
    EXPECT_EQ(gpu.error, "");
  }
  EXPECT_EQ(gpus[1].memory_total_mib, 81559U);
}

TEST(ParseGpus, RefusesAnImpossibleUtilization) {
  const auto row = [](const std::string& percent) {
    return "0, " + uuid(0) + ", 0000:1a:00.0, M, 1, 2, " + percent + ", Disabled\n";
  };
  const std::vector<GpuReading> gpus =
      parse_gpus(row("101") + row("100") + row("4294967295"), kToMigMode);
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[0].utilization_percent, std::nullopt);
  EXPECT_EQ(gpus[1].utilization_percent, 100);
  EXPECT_EQ(gpus[2].utilization_percent, std::nullopt);
}

TEST(ParseGpus, KeepsTheOthersBesideAnUnreachableOneThatHasNoRow) {
  const std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_one_unreachable.txt"), kToMigMode);
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
  const std::vector<GpuReading> gpus = parse_gpus(text, kToMigMode);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].error, "nvidia-smi cannot reach it: Unknown Error");
  EXPECT_EQ(gpus[1].error, "");
}

TEST(ParseGpus, EntersAnUnreachableGpuWhoseIndexIsTold) {
  const std::string text =
      row_with_memory("3") +
      "Unable to determine the device handle for GPU1: 0000:3B:00.0: GPU is lost.  Reboot\n" +
      "2, " + uuid(2) + ", 00000000:5E:00.0, NVIDIA Example, 1, 2, 3, Disabled\n";
  const std::vector<GpuReading> gpus = parse_gpus(text, kToMigMode);
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[1].uuid, "");
  EXPECT_EQ(gpus[1].error, "GPU is lost");
  EXPECT_EQ(gpus[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpus[2].index, 2);
}

// A whole row, with these last fields.
GpuReading with_health(const std::string& retired, const std::string& remapped,
                       const std::string& recovery) {
  return parse_gpus("0, " + uuid(0) + ", 00000000:1A:00.0, NVIDIA, Example, 1, 2, 3, Disabled, " +
                    retired + ", " + remapped + ", " + recovery + "\n")
      .at(0);
}

TEST(ParseGpus, ReadsWhatTheDriverWantsDone) {
  for (const char* nothing : {"None", "[N/A]", "N/A", "", "[Unknown Error]"}) {
    const GpuReading gpu = with_health("[N/A]", "No", nothing);
    EXPECT_EQ(gpu.notice, "") << nothing;
    EXPECT_FALSE(gpu.needs_reset);
    EXPECT_EQ(gpu.model, "NVIDIA, Example");
  }
  for (const char* action : {"Reset", "Reboot", "Drain and Reset", "Bus Reset", "System Reboot",
                             "GPU Reset Required", "Node Reboot at once"}) {
    EXPECT_TRUE(with_health("[N/A]", "No", action).needs_reset) << action;
    EXPECT_NE(with_health("[N/A]", "No", action).notice, "");
  }
  for (const char* action : {"Drain P2P", "Recover IMEX Domain", "Something New"}) {
    EXPECT_FALSE(with_health("[N/A]", "No", action).needs_reset) << action;
  }
  EXPECT_EQ(with_health("[N/A]", "No", "Something New").notice,
            "its driver asks for recovery (something new)");
}

TEST(ParseGpus, ReadsThatFaultyMemoryWaitsForAReset) {
  const std::string text = "faulty memory is replaced at its next reset";
  EXPECT_EQ(with_health("Yes", "[N/A]", "None").notice, text);
  EXPECT_EQ(with_health("[N/A]", "Yes", "None").notice, text);
  EXPECT_FALSE(with_health("[N/A]", "Yes", "None").needs_reset);
  EXPECT_EQ(with_health("[N/A]", "Yes", "Reset").notice, "its driver asks for a reset");
  EXPECT_EQ(with_health("No", "No", "None").notice, "");
}

TEST(ParseGpus, MakesAnErrorOfAMissingUuid) {
  EXPECT_EQ(parse_gpus("0, [N/A], 0000:1a:00.0, M, 7, 8, 9\n", first_columns(kGpuColumnsNeeded))
                .at(0)
                .error,
            "nvidia-smi does not tell its UUID");
}

// With these columns dropped; nothing where none is.
std::string left_after(const std::string& answer) {
  GpuColumns columns = first_columns();
  if (!drop_unknown(columns, answer)) return "";
  std::string left;
  for (std::size_t i = kGpuColumnsNeeded; i < columns.size(); ++i) {
    left += std::string(columns[i]) + " ";
  }
  return left;
}

TEST(DropUnknown, LeavesOutOnlyTheColumnsThatAreNamed) {
  const auto answer = [](const std::string& field) {
    return "Field \"" + field + "\" is not a valid field to query.\n\n";
  };
  EXPECT_EQ(left_after(answer("mig.mode.current")),
            "retired_pages.pending remapped_rows.pending gpu_recovery_action ");
  EXPECT_EQ(left_after(answer("gpu_recovery_action")),
            "mig.mode.current retired_pages.pending remapped_rows.pending ");
  EXPECT_EQ(left_after(answer("mig.mode.current") + answer("remapped_rows.pending")),
            "retired_pages.pending gpu_recovery_action ");
  EXPECT_EQ(left_after(answer("memory.used")), "");
  EXPECT_EQ(left_after("0, \"gpu_recovery_action\""), "");
  EXPECT_EQ(left_after(""), "");
}

TEST(DropUnknown, DropsNoColumnTwice) {
  GpuColumns columns = first_columns(kGpuColumnsNeeded);
  EXPECT_FALSE(drop_unknown(columns, "Field \"mig.mode.current\" is not a valid field to query."));
}

TEST(ParseGpus, ReadsTheColumnsBehindOneThatWasLeftOut) {
  GpuColumns columns = first_columns();
  std::erase(columns, "mig.mode.current");
  const std::string row = "0, " + uuid(0) + ", 0000:1a:00.0, M, 7, 8, 9, Yes, No, Reset\n";
  EXPECT_EQ(parse_gpus(row, columns).at(0).notice, "its driver asks for a reset");
}

TEST(MigGpus, AreThoseWhoseRowsSayThatMigIsEnabled) {
  const auto row = [](int index, const std::string& mode) {
    return std::to_string(index) + ", " + uuid(index) + ", 0, M, [N/A], 5, [N/A], " + mode + "\n";
  };
  EXPECT_EQ(mig_gpus("WARNING: odd, MIG, Enabled\n" + row(4, "Disabled") + row(2, "Enabled") +
                         row(7, "[N/A]") + row(6, "enabled") + row(5, ""),
                     kToMigMode),
            (std::vector<int>{2, 6}));
  EXPECT_EQ(mig_gpus("[N/A], " + uuid(0) + ", 0, M, 5, 5, 5, Disabled\n[N/A], " + uuid(1) +
                         ", 0, M, 5, 5, 5, Enabled\n",
                     kToMigMode),
            std::vector<int>{1});
  EXPECT_TRUE(mig_gpus("No devices were found\n", kToMigMode).empty());
}

TEST(ParseGpus, ReadsNothingFromAnythingElse) {
  for (const std::string text :
       {"", "\n\n", "No devices were found\n", "one, two, three, four, five, six, seven, eight\n",
        "Unable to determine the device handle for GPU1: 0000:3B:00.0: GPU is lost.\n",
        "index, uuid, memory.used [MiB]\n", "0, GPU-x, 00000000:1A:00.0\n", ",,,,,,,\n"}) {
    EXPECT_TRUE(parse_gpus(text, kToMigMode).empty()) << text;
  }
  EXPECT_TRUE(parse_gpus(fixture("error_mismatch.txt"), kToMigMode).empty());
}

TEST(ParseGpus, SurvivesHugeAndBinaryLines) {
  std::string text = std::string(1 << 20, ',') + "\n" + std::string(1 << 20, 'x') + "\n";
  text += std::string("\0\xff\x1b[2J, \0", 9) + "\n";
  text += "Unable to determine the device handle for GPU " + std::string(1 << 20, '0') + "\n";
  text += row_with_memory("7");
  const std::vector<GpuReading> gpus = parse_gpus(text, kToMigMode);
  ASSERT_EQ(gpus.size(), 1U);
  EXPECT_EQ(gpus[0].memory_used_mib, 7U);
}

}  // namespace
}  // namespace chg
