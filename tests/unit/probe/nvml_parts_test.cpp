// GPUs in MIG mode, as read_nvml reads them.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "probe/nvidia/nvml_probe.h"
#include "unit/probe/nvml_fixture.h"

namespace chg {
namespace {

using NvmlParts = Nvml;

constexpr const char* kParts =
    R"("utilization_percent":null,"memory_used_mb":11117,"parts":[
       {"uuid":"MIG-0","model":"Example MIG 3g.40gb","memory_used_mb":11091,
        "memory_total_mb":40448},
       {"uuid":"MIG-1","memory_used_mb":null}])";

TEST_F(NvmlParts, ListsThePartsOfADividedGpu) {
  for (const char* standin : {R"("part_gap":0)", R"("part_gap":3)"}) {
    const GpuReading gpu = look_at(std::string("{\"model\":\"Example\",") + kParts + "}", standin);
    EXPECT_EQ(gpu.error, "");
    EXPECT_EQ(gpu.memory_used_mib, 11117U);
    EXPECT_EQ(gpu.utilization_percent, std::nullopt);
    ASSERT_EQ(gpu.mig_devices.size(), 2U);
    EXPECT_EQ(gpu.mig_devices[0].uuid, "MIG-0");
    EXPECT_EQ(gpu.mig_devices[0].model, "Example MIG 3g.40gb");
    EXPECT_EQ(gpu.mig_devices[0].memory_used_mib, 11091U);
    EXPECT_EQ(gpu.mig_devices[0].memory_total_mib, 40448U);
    EXPECT_EQ(gpu.mig_devices[1].uuid, "MIG-1");
    EXPECT_EQ(gpu.mig_devices[1].memory_used_mib, std::nullopt);
  }
}

TEST_F(NvmlParts, ListsNoPartsOfAGpuThatIsNotDivided) {
  EXPECT_TRUE(look_at("{}").mig_devices.empty());
  EXPECT_TRUE(look_at(R"({"parts":[]})").mig_devices.empty());
}

const std::string kDivided = std::string("{") + kParts + R"(,"processes":[
    {"pid":2000000000,"user":"a","memory_mb":11000},{"pid":2000000001,"user":"b","memory_mb":7}]})";

TEST_F(NvmlParts, ListsTheProcessesOfThePartsOnTheGpu) {
  const GpuReading gpu = look_at(kDivided, R"("part_of_pids":{"2000000001":1})");
  EXPECT_EQ(gpu.error, "");
  ASSERT_EQ(gpu.processes.size(), 2U);
  EXPECT_EQ(gpu.processes[0].memory_mib, 11000U);
  EXPECT_EQ(gpu.processes[1].memory_mib, 7U);
}

TEST_F(NvmlParts, AsksThePartsWhereItMayNotAskTheGpu) {
  const GpuReading gpu =
      look_at(kDivided, R"("fail":{"nvmlDeviceGetComputeRunningProcesses_v3@0":4})");
  EXPECT_EQ(gpu.error, "");
  EXPECT_EQ(gpu.processes.size(), 2U);
}

TEST_F(NvmlParts, MakesAnErrorOfAGpuWithAPartWhoseProcessesCannotBeListed) {
  EXPECT_EQ(look_at(kDivided, R"("fail":{"nvmlDeviceGetComputeRunningProcesses_v3@0.1":4})").error,
            "NVML does not tell its processes");
}

TEST_F(NvmlParts, AsksForProcessesWhereOnlyAPartHoldsMemory) {
  look_at(R"({"memory_used_mb":0,"parts":[{"memory_used_mb":5}]})", with_log());
  EXPECT_NE(calls().find("RunningProcesses"), std::string::npos);
  std::filesystem::remove(log_);
  look_at(R"({"memory_used_mb":0,"parts":[{"memory_used_mb":0}]})", with_log());
  EXPECT_EQ(calls().find("RunningProcesses"), std::string::npos);
}

TEST_F(NvmlParts, MakesAnErrorOfAGpuWhosePartsCannotBeRead) {
  for (const char* function :
       {"nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
        "nvmlDeviceGetMemoryInfo_v2@0.1"}) {
    EXPECT_EQ(look_at(kDivided, fmt::format(R"("fail":{{"{}":4}})", function)).error,
              "no permission to read it");
  }
}

}  // namespace
}  // namespace chg
