#include <gtest/gtest.h>

#include "probe/nvidia/nvidia_failure.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

struct Failure {
  const char* out;
  int exit_status;
  ErrorKind kind;
  const char* message;
};

class KnownFailure : public ::testing::TestWithParam<Failure> {};

TEST_P(KnownFailure, IsOneLineWithAHint) {
  const Error error = nvidia_smi_error(GetParam().out, "", GetParam().exit_status);
  EXPECT_STREQ(error.what(), GetParam().message);
  EXPECT_EQ(error.kind(), GetParam().kind);
  EXPECT_NE(error.hint(), "");
  EXPECT_EQ(error.hint().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    NvidiaSmiError, KnownFailure,
    ::testing::Values(
        Failure{"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: "
                "600.01\n",
                18, ErrorKind::Failed, "nvidia-smi failed: driver/library version mismatch"},
        Failure{
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make "
            "sure that the latest NVIDIA driver is installed and running.\n\n",
            9, ErrorKind::Failed, "nvidia-smi failed: the NVIDIA driver is not loaded"},
        Failure{"Failed to initialize NVML: Driver Not Loaded\n", 9, ErrorKind::Failed,
                "nvidia-smi failed: the NVIDIA driver is not loaded"},
        Failure{"NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", 12,
                ErrorKind::Failed,
                "nvidia-smi failed: a library of the NVIDIA driver was not found"},
        Failure{"No devices were found\n", 0, ErrorKind::Failed,
                "nvidia-smi failed: no GPU was found"},
        Failure{"Failed to initialize NVML: No supported GPUs were found\nUnable to determine the "
                "number of GPUs\n",
                255, ErrorKind::Failed,
                "nvidia-smi failed: no GPU was found that this driver supports"},
        Failure{"Failed to initialize NVML: GPU access blocked by the operating system\n", 17,
                ErrorKind::NotPermitted,
                "nvidia-smi failed: access to the GPUs is blocked by the operating system"},
        Failure{"Failed to initialize NVML: Unknown Error\n", 255, ErrorKind::Failed,
                "nvidia-smi failed: unknown error"},
        Failure{"Failed to initialize NVML: Insufficient Permissions\n", 4, ErrorKind::NotPermitted,
                "nvidia-smi failed: insufficient permissions"},
        Failure{"Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot "
                "the system to recover this GPU\n",
                15, ErrorKind::Failed, "nvidia-smi failed: GPU is lost"},
        Failure{"Unable to determine the device handle for GPU0000:07:00.0: Unknown Error\n", 255,
                ErrorKind::Failed, "nvidia-smi failed: a GPU cannot be reached"},
        Failure{"Field \"mig.mode.current\" is not a valid field to query.\n\n", 2,
                ErrorKind::Failed,
                "nvidia-smi failed: it does not know all the fields that were asked for"},
        Failure{"", 9, ErrorKind::Failed, "nvidia-smi failed: the NVIDIA driver is not loaded"},
        Failure{"", 4, ErrorKind::NotPermitted, "nvidia-smi failed: insufficient permissions"},
        Failure{"", 137, ErrorKind::Failed, "nvidia-smi was ended by signal 9"},
        Failure{"", 0, ErrorKind::Failed, "nvidia-smi gave no readings"},
        Failure{"", 255, ErrorKind::Failed, "nvidia-smi failed with exit status 255"},
        Failure{"\nSomething new\nand more\n", 255, ErrorKind::Failed,
                "nvidia-smi failed with exit status 255: 'Something new'"}));

TEST(NvidiaSmiError, ReadsStderrToo) {
  EXPECT_STREQ(nvidia_smi_error("", "No devices were found\n", 6).what(),
               "nvidia-smi failed: no GPU was found");
  EXPECT_STREQ(nvidia_smi_error("", "nvidia-smi: cannot execute\n", 1).what(),
               "nvidia-smi failed with exit status 1: 'nvidia-smi: cannot execute'");
}

TEST(NvidiaSmiError, QuotesUnknownTextsHarmlessly) {
  const std::string message = nvidia_smi_error("\x1b[2J" + std::string(5000, 'x'), "", 1).what();
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 200U);
}

}  // namespace
}  // namespace chg
