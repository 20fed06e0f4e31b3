#include <sys/stat.h>
#include <unistd.h>

#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using Files = ConfigTest;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Files, UsersMayLieInHomeWithEachEnding) {
  for (const std::string ending : {"yaml", "yml"}) {
    const std::string path = write("home/.canhazgpu." + ending, "run.gpus: 2\n");
    EXPECT_EQ(load().number("run.gpus"), 2) << ending;
    std::filesystem::remove(path);
  }
  write("home/.canhazgpu.json", R"({"run.gpus": 3})");
  EXPECT_EQ(load().number("run.gpus"), 3);
}

TEST_F(Files, DashesAndUnderscoresMakeOneKey) {
  const std::string path = write_user("run.gpu_ids: 1\nrun.gpu-ids: 2\n");
  EXPECT_EQ(failure().what(),
            "cannot understand '" + path + ":2': 'run.gpu-ids' is set twice, first in line 1");
}

TEST_F(Files, OneInTomlIsRefusedAndNotOverlooked) {
  const std::string path = write("home/.canhazgpu.toml", "run.gpus = 4");
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.what(), "configuration file '" + path + "' is in TOML, which is not supported");
  EXPECT_TRUE(has(error.hint(), "convert it to YAML"));
}

TEST_F(Files, UsersMayLieInDotConfig) {
  write("home/.config/canhazgpu/config.yaml", "run.gpus: 2");
  EXPECT_EQ(load().number("run.gpus"), 2);
}

TEST_F(Files, XdgConfigHomeReplacesDotConfig) {
  write("home/.config/canhazgpu/config.yaml", "run.gpus: 2");
  write("xdg/canhazgpu/config.json", R"({"run": {"gpus": 3}})");
  inputs.xdg_config_home = root_ + "/xdg";
  EXPECT_EQ(load().number("run.gpus"), 3);
}

TEST_F(Files, RelativeXdgConfigHomeIsIgnored) {
  write("home/.config/canhazgpu/config.yaml", "run.gpus: 2");
  inputs.xdg_config_home = "xdg";
  EXPECT_EQ(load().number("run.gpus"), 2);
}

TEST_F(Files, NothingIsReadFromTheWorkingDirectory) {
  write(".canhazgpu.yaml", "run.gpus: 2\n");
  write("config.yaml", "run.gpus: 3\n");
  write(".config/canhazgpu/config.yaml", "run.gpus: 4\n");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(root_);
  for (const char* home : {"", ".", "home"}) {
    inputs.home = home;
    EXPECT_EQ(load().number("run.gpus"), 1) << home;
  }
  std::filesystem::current_path(before);
}

TEST_F(Files, SeveralOfTheUsersAreAnErrorThatNamesThem) {
  const std::string first = write_user("");
  const std::string second = write("home/.config/canhazgpu/config.yaml", "");
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_EQ(error.what(), "several configuration files: '" + first + "' and '" + second + "'");
  EXPECT_FALSE(error.hint().empty());
}

TEST_F(Files, SeveralOfTheSystemAreAnErrorThatNamesThem) {
  write("etc/config.yaml", "");
  write("etc/config.yml", "");
  write("etc/config.json", "");
  const std::string etc = inputs.system_directory;
  EXPECT_EQ(failure().what(), "several configuration files: '" + etc + "/config.yaml', '" + etc +
                                  "/config.yml' and '" + etc + "/config.json'");
}

TEST_F(Files, OneOfTheUserAndOneOfTheSystemAreNone) {
  write("etc/config.yaml", "");
  write_user("");
  EXPECT_NO_THROW(load());
}

TEST_F(Files, ExplicitOneHasToExist) {
  inputs.file = root_ + "/none.yaml";
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_EQ(error.what(),
            "cannot read configuration file '" + root_ + "/none.yaml': No such file or directory");
}

TEST_F(Files, ExplicitOneNeedsAKnownEnding) {
  inputs.file = write("mine.conf", "");
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_TRUE(has(error.hint(), ".json"));
}

TEST_F(Files, ADirectoryInPlaceOfOneIsAnError) {
  std::filesystem::create_directories(root_ + "/home/.canhazgpu.yaml");
  EXPECT_EQ(failure().what(),
            "configuration file '" + root_ + "/home/.canhazgpu.yaml' is a directory");
}

TEST_F(Files, APipeInPlaceOfOneIsAnErrorAndKeepsNobodyWaiting) {
  inputs.file = root_ + "/pipe.yaml";
  ASSERT_EQ(mkfifo(inputs.file->c_str(), 0600), 0);
  EXPECT_TRUE(has(failure().what(), "is not a regular file"));
}

TEST_F(Files, OneThatLinksToItselfIsAnError) {
  write("home/other", "");
  std::filesystem::create_symlink(".canhazgpu.yaml", root_ + "/home/.canhazgpu.yaml");
  EXPECT_TRUE(has(failure().what(), "cannot look for the configuration file"));
}

TEST_F(Files, OneThatMayNotBeReadIsNotPermitted) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::string path = write_user("");
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(failure().kind(), ErrorKind::NotPermitted);
}

TEST_F(Files, ADirectoryThatMayNotBeSearchedIsAWarning) {
  if (geteuid() == 0) GTEST_SKIP() << "root may search everything";
  write_user("run.gpus: 2\n");
  std::filesystem::permissions(inputs.home, std::filesystem::perms::none);
  const Config config = load();
  std::filesystem::permissions(inputs.home, std::filesystem::perms::owner_all);
  EXPECT_EQ(config.number("run.gpus"), 1);
  EXPECT_EQ(config.warnings().size(), 2U);
}

TEST_F(Files, AFileInPlaceOfADirectoryHoldsNone) {
  write("home", "");
  EXPECT_NO_THROW(load());
}

TEST_F(Files, ALinkToOneIsFollowed) {
  const std::string target = write("dotfiles/gpu", "run.gpus: 2\n");
  std::filesystem::create_directories(inputs.home);
  std::filesystem::create_symlink(target, inputs.home + "/.canhazgpu.yaml");
  EXPECT_EQ(load().number("run.gpus"), 2);
}

TEST_F(Files, ATooLargeOneIsAnErrorAndTheLargestIsNone) {
  write_user("#" + std::string(65535, 'x'));
  EXPECT_NO_THROW(load());
  write_user("#" + std::string(65536, 'x'));
  EXPECT_TRUE(has(failure().what(), "is larger than 64 KiB"));
}

}  // namespace
}  // namespace chg
