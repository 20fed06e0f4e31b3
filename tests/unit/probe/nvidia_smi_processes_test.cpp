#include <gtest/gtest.h>

#include "probe/nvidia/nvidia_smi_text.h"
#include "unit/probe/fixture.h"
#include "unit/probe/nvidia_uuid.h"

namespace chg {
namespace {

TEST(ParseProcesses, ReadsTheRowsThatTheProbeAsksFor) {
  const ProcessTable table = parse_processes(fixture("processes_asked.csv"));
  ASSERT_EQ(table.processes.size(), 3U);
  EXPECT_FALSE(table.has_stray_text);
  EXPECT_EQ(table.processes[0].gpu_uuid, uuid(1));
  EXPECT_EQ(table.processes[0].process.pid, 4711);
  EXPECT_EQ(table.processes[0].process.program, "python3.11");
  EXPECT_EQ(table.processes[0].process.memory_mib, 8000U);
  EXPECT_EQ(table.processes[0].process.type, GpuProcess::Type::Compute);
  EXPECT_EQ(table.processes[1].process.program, "burn");
}

TEST(ParseProcesses, KeepsAProcessWhoseNameIsNotFound) {
  const ProcessTable table = parse_processes(fixture("processes_asked.csv"));
  ASSERT_EQ(table.processes.size(), 3U);
  EXPECT_EQ(table.processes[2].process.pid, 1758);
  EXPECT_EQ(table.processes[2].process.program, "");
  EXPECT_EQ(table.processes[2].process.memory_mib, 58060U);
}

TEST(ParseProcesses, ReadsNoProcessFromNothing) {
  for (const char* text : {"", "\n", "\r\n\r\n"}) {
    EXPECT_TRUE(parse_processes(text).processes.empty());
    EXPECT_FALSE(parse_processes(text).has_stray_text);
  }
}

TEST(ParseProcesses, LeavesTheMemoryMissingThatWslDoesNotTell) {
  const ProcessTable table = parse_processes(uuid(0) + ", 21, train, [N/A]\n");
  ASSERT_EQ(table.processes.size(), 1U);
  EXPECT_EQ(table.processes[0].process.pid, 21);
  EXPECT_EQ(table.processes[0].process.memory_mib, std::nullopt);
}

TEST(ParseProcesses, KeepsARowThatTellsNothingButTheGpu) {
  const ProcessTable table = parse_processes(fixture("processes_no_permission.csv"));
  ASSERT_EQ(table.processes.size(), 1U);
  EXPECT_EQ(table.processes[0].gpu_uuid, uuid(0));
  EXPECT_EQ(table.processes[0].process.pid, 0);
  EXPECT_EQ(table.processes[0].process.program, "");
  EXPECT_EQ(table.processes[0].process.memory_mib, std::nullopt);
}

TEST(ParseProcesses, AcceptsCommasInNamesAndCarriageReturns) {
  const ProcessTable table =
      parse_processes(uuid(1) + ", 4711, train.py, stage 2, fold 3, 8000\r\n\r\n" + uuid(1) +
                      ", 4712, a,b,, 1\r\n" + uuid(1) + ", 4713, , 2");
  ASSERT_EQ(table.processes.size(), 3U);
  EXPECT_EQ(table.processes[0].process.program, "train.py,");
  EXPECT_EQ(table.processes[0].process.memory_mib, 8000U);
  EXPECT_EQ(table.processes[1].process.program, "a,b,");
  EXPECT_EQ(table.processes[1].process.memory_mib, 1U);
  EXPECT_EQ(table.processes[2].process.program, "");
  EXPECT_EQ(table.processes[2].process.memory_mib, 2U);
}

TEST(ParseProcesses, TakesTheProgramFromANameWithArguments) {
  const ProcessTable table =
      parse_processes(uuid(1) + ", 4711, /usr/bin/python3 /data/train.py, 300\n");
  ASSERT_EQ(table.processes.size(), 1U);
  EXPECT_EQ(table.processes[0].process.program, "python3");
}

TEST(ParseProcesses, RefusesRowsWithoutGpuOrWithAnImpossiblePid) {
  for (const std::string& row :
       {std::string("[N/A], 4711, x, 300"), uuid(1) + ", 0, x, 300", uuid(1) + ", -1, x, 300",
        uuid(1) + ", 99999999999, x, 300", uuid(1) + ", 12ab, x, 300", uuid(1) + ", 4711"}) {
    EXPECT_TRUE(parse_processes(row).processes.empty()) << row;
    EXPECT_TRUE(parse_processes(row).has_stray_text) << row;
  }
}

TEST(ParseProcesses, NoticesAFailureInPlaceOfAList) {
  EXPECT_TRUE(parse_processes("Failed to initialize NVML: Unknown Error\n").has_stray_text);
  EXPECT_TRUE(parse_processes(fixture("error_mismatch.txt")).has_stray_text);
}

TEST(ParseProcesses, TakesWarningsAndOneLostGpuForNoFailure) {
  EXPECT_FALSE(
      parse_processes("WARNING: infoROM is corrupted at gpu 0000:1A:00.0\n").has_stray_text);
  EXPECT_FALSE(parse_processes("Unable to determine the device handle for GPU 0000:02:00.0: GPU is "
                               "lost.  Reboot the system to recover this GPU\n")
                   .has_stray_text);
}

class UntoldProcessMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(UntoldProcessMemory, IsMissingAndNeverZero) {
  const ProcessTable table = parse_processes(uuid(1) + ", 4711, x, " + GetParam());
  ASSERT_EQ(table.processes.size(), 1U);
  EXPECT_EQ(table.processes[0].process.memory_mib, std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(ParseProcesses, UntoldProcessMemory,
                         ::testing::Values("[N/A]", "N/A", "[Not Supported]",
                                           "[Insufficient Permissions]", "[Unknown Error]",
                                           "[Not Found]", "[Function Not Found]",
                                           "[Requested functionality has been deprecated]", "ERR!",
                                           "Unknown", "[GPU is lost]", "[GPU requires reset]", ""));

TEST(AddProcesses, PutsEachOnItsGpuAndOnNoOther) {
  std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
  add_processes(gpus, parse_processes(fixture("processes_asked.csv")));
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_TRUE(gpus[0].processes.empty());
  ASSERT_EQ(gpus[1].processes.size(), 2U);
  EXPECT_EQ(gpus[1].processes[1].pid, 4712);
  ASSERT_EQ(gpus[2].processes.size(), 1U);
  EXPECT_EQ(gpus[2].processes[0].pid, 1758);
}

TEST(AddProcesses, MakesAnErrorOfProcessesThatMayNotBeSeen) {
  std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
  add_processes(gpus, parse_processes(fixture("processes_no_permission.csv")));
  EXPECT_EQ(gpus[0].error, "nvidia-smi does not tell its processes");
  EXPECT_TRUE(gpus[0].processes.empty());
  EXPECT_EQ(gpus[1].error, "");
}

TEST(AddProcesses, NotesThatADriverListsNone) {
  std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
  add_processes(gpus, parse_processes(uuid(0) + ", [N/A], [N/A], [N/A]\n" + uuid(1) +
                                      ", [Not Supported], [Not Supported], [Not Supported]\n"));
  EXPECT_TRUE(gpus[0].processes_not_supported && gpus[1].processes_not_supported);
  EXPECT_FALSE(gpus[2].processes_not_supported);
  EXPECT_EQ(gpus[0].error + gpus[1].error, "");
}

TEST(AddProcesses, BelievesNoDriverThatListsNoneWhereItTellsOfSome) {
  const std::string unlisted = ", [N/A], [N/A], [N/A]\n";
  for (const std::string& rows :
       {uuid(0) + ", [N/A], [N/A], 800\n", uuid(0) + unlisted + uuid(0) + ", 4711, x, 800\n",
        uuid(0) + ", 4711, x, 800\n" + uuid(0) + unlisted,
        uuid(0) + unlisted + uuid(0) + ", [Insufficient Permissions], [N/A], [N/A]\n"}) {
    std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
    add_processes(gpus, parse_processes(rows));
    EXPECT_EQ(gpus[0].error, "nvidia-smi does not tell its processes") << rows;
  }
}

TEST(ParseProcesses, TakesNoProcessOfWindowsForOneOfThisHost) {
  const ProcessTable table = parse_processes(
      uuid(0) + ", 21, C:\\Program Files\\x, y\\app.exe, [N/A]\n" + uuid(0) +
          ", 22, \\\\wsl\\app.exe, [N/A]\n" + uuid(0) + ", 23, /opt/C:/app, [N/A]\n",
      true);
  ASSERT_EQ(table.processes.size(), 3U);
  for (const int place : {0, 1}) {
    EXPECT_TRUE(table.processes[place].process.outside);
    EXPECT_EQ(table.processes[place].process.program, "app.exe");
  }
  EXPECT_FALSE(table.processes[2].process.outside);
}

// Any process can call itself so.
TEST(ParseProcesses, TakesAPathOfWindowsForANameWhereMemoryIsToldAndOutsideOfWsl) {
  const std::string told = uuid(0) + ", 21, C:\\wine\\game.exe, 850\n";
  const std::string untold = uuid(0) + ", 21, C:\\wine\\game.exe, [N/A]\n";
  EXPECT_FALSE(parse_processes(told, true).processes.at(0).process.outside);
  EXPECT_FALSE(parse_processes(told, false).processes.at(0).process.outside);
  EXPECT_FALSE(parse_processes(untold, false).processes.at(0).process.outside);
}

TEST(AddProcesses, KeepsAnErrorThatIsKnown) {
  std::vector<GpuReading> gpus = parse_gpus(fixture("gpus_asked.csv"), kToMigMode);
  gpus[0].error = "GPU is lost";
  add_processes(gpus, parse_processes(fixture("processes_no_permission.csv")));
  EXPECT_EQ(gpus[0].error, "GPU is lost");
}

TEST(AddProcesses, GivesNothingToAGpuWithoutUuid) {
  std::vector<GpuReading> gpus(1);
  add_processes(gpus, parse_processes(fixture("processes_asked.csv")));
  EXPECT_TRUE(gpus[0].processes.empty());
}

}  // namespace
}  // namespace chg
