#include "probe/amd/amd_visibility.h"

#include <gtest/gtest.h>

#include "probe/amd/amd_identity.h"
#include "support/expect_error.h"

namespace chg {
namespace {

GpuReading gpu(int index, std::uint64_t unique_id, std::optional<int> runtime_index) {
  GpuReading reading;
  reading.index = index;
  reading.uuid = amd_uuid(unique_id, "0000:03:00.0");
  reading.runtime_index = runtime_index;
  return reading;
}

std::string by_hip(const std::vector<GpuReading>& granted) {
  return amd_visible_devices(granted, AmdVariable::Hip);
}

std::string by_rocr(const std::vector<GpuReading>& granted) {
  return amd_visible_devices(granted, AmdVariable::Rocr);
}

TEST(AmdVisibility, OfHipIsCountedAsHipCounts) {
  EXPECT_EQ(by_hip({gpu(0, 1, 2), gpu(2, 3, 0)}), "2,0");
  EXPECT_EQ(by_hip({gpu(0, 0, 1)}), "1");
}

TEST(AmdVisibility, OfHipNamesUuidsWhereNobodyTellsTheNumbers) {
  EXPECT_EQ(by_hip({gpu(0, 1, std::nullopt), gpu(2, 3, std::nullopt)}),
            "GPU-0000000000000001,GPU-0000000000000003");
}

TEST(AmdVisibility, OfRocrNamesUuidsAndCountsGpusWithoutOne) {
  EXPECT_EQ(by_rocr({gpu(2, 3, 0), gpu(0, 1, std::nullopt)}),
            "GPU-0000000000000003,GPU-0000000000000001");
  EXPECT_EQ(by_rocr({gpu(0, 1, 2), gpu(1, 0, 0)}), "GPU-0000000000000001,0");
}

TEST(AmdVisibility, ShowsNoGpuWhereNoneIsGranted) {
  EXPECT_EQ(by_hip({}), "");
  EXPECT_EQ(by_rocr({}), "");
}

TEST(AmdVisibility, FailsWhereAGpuHasNoName) {
  for (const AmdVariable variable : {AmdVariable::Hip, AmdVariable::Rocr}) {
    expect_error(ErrorKind::Failed, "GPU 1 ('PCI-0000:03:00.0'): no program can be told", [&] {
      amd_visible_devices({gpu(0, 1, 0), gpu(1, 0, std::nullopt)}, variable);
    });
  }
}

TEST(AmdVisibility, RefusesOnlyGpusWithoutAName) {
  std::vector<GpuReading> gpus = {gpu(0, 1, std::nullopt), gpu(1, 0, 1), gpu(2, 0, std::nullopt),
                                  gpu(3, 0, std::nullopt)};
  gpus[3].error = "broken";
  refuse_nameless(gpus);
  EXPECT_EQ(gpus[0].error, "");
  EXPECT_EQ(gpus[1].error, "");
  EXPECT_EQ(gpus[2].error,
            "no program can be told to use it: it has no unique id and no known number");
  EXPECT_TRUE(gpus[2].error_is_final);
  EXPECT_EQ(gpus[3].error, "broken");
  EXPECT_FALSE(gpus[3].error_is_final);
}

}  // namespace
}  // namespace chg
