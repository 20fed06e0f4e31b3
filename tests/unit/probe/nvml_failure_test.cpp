#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvml_probe.h"
#include "support/expect_error.h"
#include "unit/probe/nvml_fixture.h"
#include "unit/probe/standin.h"

namespace chg {
namespace {

using NvmlFailure = Nvml;
TEST_F(NvmlFailure, FailsWithWhatNvmlSays) {
  struct Case {
    int code;
    ReadFailure::Reason reason;
    ErrorKind kind;
    const char* message;
  };
  for (const Case& known : std::initializer_list<Case>{
           {4, ReadFailure::Reason::Other, ErrorKind::NotPermitted,
            "NVML failed: insufficient permissions"},
           {9, ReadFailure::Reason::DriverNotLoaded, ErrorKind::Failed,
            "NVML failed: the NVIDIA driver is not loaded"},
           {12, ReadFailure::Reason::LibraryMissing, ErrorKind::Failed,
            "NVML failed: a library of the NVIDIA driver was not found"},
           {13, ReadFailure::Reason::LibraryUnusable, ErrorKind::Failed,
            "NVML failed: the NVIDIA driver is too old"},
           {15, ReadFailure::Reason::Other, ErrorKind::Failed, "NVML failed: GPU is lost"},
           {17, ReadFailure::Reason::Other, ErrorKind::NotPermitted,
            "NVML failed: access to the GPUs is blocked by the operating system"},
           {18, ReadFailure::Reason::LibraryMismatch, ErrorKind::Failed,
            "NVML failed: driver/library version mismatch"},
           {999, ReadFailure::Reason::Other, ErrorKind::Failed, "NVML failed: unknown error"},
           {77, ReadFailure::Reason::Other, ErrorKind::Failed, "NVML failed with code 77"}}) {
    scenario_.put("{}", fmt::format(R"("init":{})", known.code));
    const ReadFailure failed = failure();
    EXPECT_EQ(failed.reason, known.reason);
    EXPECT_EQ(failed.error.kind(), known.kind);
    EXPECT_STREQ(failed.error.what(), known.message);
    EXPECT_NE(failed.error.hint(), "");
  }
}

TEST_F(NvmlFailure, FailsWhereGpusCannotBeCounted) {
  scenario_.put("{}", R"("fail":{"nvmlDeviceGetCount_v2":999})");
  EXPECT_STREQ(failure().error.what(), "NVML failed: unknown error");
  scenario_.put("{}", R"("gpu_count":4294967295)");
  EXPECT_STREQ(failure().error.what(), "NVML finds '4294967295' GPUs");
  scenario_.put("");
  EXPECT_STREQ(failure().error.what(), "NVML finds no GPU");
}

TEST_F(NvmlFailure, FailsWhereTheLibraryIsMissing) {
  const std::string path = folder_.path("libnvidia-ml.so.1");
  const auto found = read_nvml(clock_, path);
  const auto& failed = std::get<ReadFailure>(found);
  EXPECT_EQ(failed.reason, ReadFailure::Reason::LibraryMissing);
  EXPECT_EQ(failed.error.what(), "the NVIDIA driver's library '" + path + "' was not found");
  EXPECT_NE(failed.error.hint(), "");
  expect_error(ErrorKind::Failed, "was not found",
               [&] { observation_or_throw(read_nvml(clock_, path)); });
}

TEST_F(NvmlFailure, FailsWhereTheLibraryCannotBeLoaded) {
  const std::string path = folder_.write("libnvidia-ml.so.1", "no library");
  const auto found = read_nvml(clock_, path);
  const auto& failed = std::get<ReadFailure>(found);
  EXPECT_EQ(failed.reason, ReadFailure::Reason::LibraryUnusable);
  EXPECT_NE(std::string(failed.error.what()).find("cannot load the NVIDIA driver's library: '"),
            std::string::npos);
}

TEST_F(NvmlFailure, FailsWhereTheLibraryLacksWhatIsNeeded) {
  scenario_.put("{}");
  const ReadFailure failed = failure("bare");
  EXPECT_EQ(failed.reason, ReadFailure::Reason::LibraryUnusable);
  EXPECT_EQ(failed.error.what(), "the NVIDIA driver's library '" + standin_library("bare") +
                                     "' lacks 'nvmlDeviceGetUUID'");
  EXPECT_EQ(failed.error.hint(), "update the NVIDIA driver: version 450 or newer is needed");
}

}  // namespace
}  // namespace chg
