#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "probe/fake_probe.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

class CreateFakeGpus : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string file_ = folder_.path("gpus.json");
};

TEST_F(CreateFakeGpus, MakesWhatTheProbeReads) {
  create_fake_gpus(file_, 8);
  const SystemClock clock;
  const Observation observation = FakeProbe(clock, ProcReader(), file_).read_gpus();
  ASSERT_EQ(observation.gpus.size(), 8U);
  EXPECT_EQ(observation.gpus[7].uuid, "GPU-00000000-0000-0000-0000-000000000007");
  EXPECT_EQ(observation.gpus[7].model, "Simulated H100 80GB");
  EXPECT_EQ(observation.gpus[7].memory_used_mib, 45U);
  EXPECT_EQ(observation.gpus[7].memory_total_mib, 81920U);
  EXPECT_TRUE(observation.gpus[7].processes.empty());
}

TEST_F(CreateFakeGpus, LetsEveryoneEdit) {
  const mode_t mask = ::umask(0077);
  create_fake_gpus(file_, 1);
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0666U);
  const std::string text = read_text(file_);
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), 5);
  EXPECT_TRUE(text.ends_with("}\n"));
}

TEST_F(CreateFakeGpus, LeavesAnExistingFileAsItIs) {
  folder_.write("gpus.json", "mine");
  create_fake_gpus(file_, 4);
  EXPECT_EQ(read_text(file_), "mine");
}

TEST_F(CreateFakeGpus, LeavesNothingElse) {
  create_fake_gpus(file_, 4);
  create_fake_gpus(file_, 4);
  const std::filesystem::directory_iterator entries(folder_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(CreateFakeGpus, PutsAwayWhatAKilledOneLeft) {
  folder_.write("gpus.json.new", "{\"gpus\": [{\"uuid\": \"GPU-0000" + std::string(4096, ' '),
                0600);
  create_fake_gpus(file_, 1);
  const std::filesystem::directory_iterator entries(folder_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
  EXPECT_TRUE(read_text(file_).ends_with("}\n"));
}

TEST_F(CreateFakeGpus, RefusesAnImpossibleCount) {
  for (const int count : {0, -1, 1025}) {
    try {
      create_fake_gpus(file_, count);
      ADD_FAILURE() << count;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage);
    }
  }
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(CreateFakeGpus, RefusesAMissingFolder) {
  EXPECT_THROW(create_fake_gpus(folder_.path("missing/gpus.json"), 1), Error);
}

}  // namespace
}  // namespace chg
