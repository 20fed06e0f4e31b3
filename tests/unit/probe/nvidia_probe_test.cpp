#include "probe/nvidia/nvidia_probe.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "support/expect_error.h"
#include "support/path_variable.h"
#include "support/temporary_folder.h"
#include "unit/probe/standin.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Both ways to look: a stand-in library, and a stand-in nvidia-smi in PATH, which notes that it was
// asked and answers as the test says.
class Nvidia : public ::testing::Test {
 protected:
  void answer(const std::string& body) {
    folder_.write_script("nvidia-smi", "touch " + asked_ + "\n" + body + "\n");
  }

  void answer_with_gpu() {
    answer(
        "case \"$1\" in --query-gpu=*) echo '0, GPU-a, 00000000:1A:00.0, Example, 5, 100, 0, "
        "Disabled, [N/A], No, None';; esac");
  }

  Observation look(const std::string& library, Duration timeout = seconds(30)) {
    NvidiaSources sources;
    sources.library = library;
    return read_nvidia(clock_, timeout, std::nullopt, sources);
  }

  Error failure(const std::string& library, Duration timeout = seconds(30)) {
    return error_of([&] { look(library, timeout); });
  }

  bool was_asked() const { return std::filesystem::exists(asked_); }
  std::string missing_library() const { return folder_.path("none/libnvidia-ml.so.1"); }

  SystemClock clock_;
  StandinScenario scenario_;
  TemporaryFolder folder_;
  std::string asked_ = folder_.path("asked");
  PathVariable path_{folder_.path() + ":/usr/bin:/bin"};
};

TEST_F(Nvidia, AsksTheLibraryAlone) {
  scenario_.put("{},{}");
  answer_with_gpu();
  const Observation observation = look(standin_library());
  EXPECT_EQ(observation.source, "NVML 590.48.01");
  EXPECT_EQ(observation.gpus.size(), 2U);
  EXPECT_FALSE(was_asked());
}

TEST_F(Nvidia, AsksNvidiaSmiWhereTheLibraryIsMissing) {
  answer_with_gpu();
  const Observation observation = look(missing_library());
  EXPECT_EQ(observation.source, "nvidia-smi (NVML: library not found)");
  ASSERT_EQ(observation.gpus.size(), 1U);
  EXPECT_EQ(observation.gpus[0].uuid, "GPU-a");
}

TEST_F(Nvidia, AsksNvidiaSmiWhereTheLibraryCannotBeUsed) {
  scenario_.put("{}");
  answer_with_gpu();
  EXPECT_EQ(look(standin_library("bare")).source, "nvidia-smi (NVML: library cannot be used)");
  EXPECT_EQ(look(folder_.write("broken.so", "no library")).source,
            "nvidia-smi (NVML: library cannot be used)");
}

TEST_F(Nvidia, AsksNvidiaSmiWhereTheLibraryIsOfAnotherVersion) {
  scenario_.put("{}", R"("init":18)");
  answer_with_gpu();
  EXPECT_EQ(look(standin_library()).source, "nvidia-smi (NVML: driver/library version mismatch)");
}

TEST_F(Nvidia, AsksNvidiaSmiWhereTheLibraryCrashes) {
  scenario_.put("{}", R"("crash_in":"nvmlDeviceGetCount_v2")");
  answer_with_gpu();
  EXPECT_EQ(look(standin_library()).source, "nvidia-smi (NVML: crashed)");
}

TEST_F(Nvidia, DoesNotAskNvidiaSmiWhereTheLibraryHangs) {
  scenario_.put("{}", R"("hang_in":"nvmlDeviceGetMemoryInfo_v2")");
  answer_with_gpu();
  const Duration timeout = milliseconds(200);
  EXPECT_EQ(failure(standin_library(), timeout).what(),
            "NVML did not answer within " + to_short_text(timeout));
  EXPECT_FALSE(was_asked());
}

TEST_F(Nvidia, DoesNotAskNvidiaSmiWhatTheLibraryHasSaid) {
  answer_with_gpu();
  for (const auto& [code, message] : std::initializer_list<std::pair<int, const char*>>{
           {9, "NVML failed: the NVIDIA driver is not loaded"},
           {4, "NVML failed: insufficient permissions"},
           {999, "NVML failed: unknown error"}}) {
    scenario_.put("{}", fmt::format(R"("init":{})", code));
    EXPECT_STREQ(failure(standin_library()).what(), message);
  }
  scenario_.put("");
  EXPECT_STREQ(failure(standin_library()).what(), "NVML finds no GPU");
  EXPECT_FALSE(was_asked());
}

TEST_F(Nvidia, FailsWithTheErrorOfTheLibraryWithoutNvidiaSmi) {
  EXPECT_EQ(failure(missing_library()).what(),
            "the NVIDIA driver's library '" + missing_library() + "' was not found");
  scenario_.put("{}", R"("crash_in":"nvmlInit_v2")");
  EXPECT_STREQ(failure(standin_library()).what(), "NVML crashed (signal 11)");
}

TEST_F(Nvidia, FailsWithTheErrorOfNvidiaSmiWhereThatWasAsked) {
  answer("echo 'No devices were found'; exit 6");
  EXPECT_STREQ(failure(missing_library()).what(), "nvidia-smi failed: no GPU was found");
}

// Each of them would be in time.
TEST_F(Nvidia, HasOneTimeoutForBoth) {
  answer("sleep 1; echo '0, GPU-a, 00000000:1A:00.0, Example, 5, 100, 0, Disabled, [N/A], No, None'");
  scenario_.put("{}", R"("delay_ms":1000,"crash_in":"nvmlInit_v2")");
  const std::string said = failure(standin_library(), milliseconds(1500)).what();
  EXPECT_TRUE(said.ends_with(" did not answer within 1.5s")) << said;
}

TEST_F(Nvidia, LeavesNeitherDescriptorNorZombie) {
  answer_with_gpu();
  const auto open_fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_fds();
  for (int round = 0; round < 20; ++round) {
    scenario_.put("{}");
    look(standin_library());
    scenario_.put("{}", R"("crash_in":"nvmlInit_v2")");
    look(standin_library());
    look(missing_library());
  }
  EXPECT_EQ(open_fds(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace chg
