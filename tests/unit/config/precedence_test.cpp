#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using namespace std::chrono_literals;

using Precedence = ConfigTest;

TEST_F(Precedence, DefaultsHoldWhereNobodySaysAnything) {
  const Config config = load();
  EXPECT_EQ(config.number("report.days"), 30);
  EXPECT_EQ(config.duration("reserve.duration"), 30min);
  EXPECT_EQ(config.duration("run.timeout"), std::nullopt);
  EXPECT_EQ(config.origin("report.days").text, "default");
  EXPECT_EQ(config.origin("report.days").source, Source::Default);
  EXPECT_TRUE(config.warnings().empty());
}

TEST_F(Precedence, SystemFileBeatsDefaults) {
  const std::string path = write("etc/config.yaml", "memory:\n  threshold: 1\n");
  const Config config = load();
  EXPECT_EQ(config.number("memory.threshold"), 1);
  EXPECT_EQ(config.origin("memory.threshold").source, Source::SystemFile);
  EXPECT_EQ(config.origin("memory.threshold").text, path + ":2");
}

TEST_F(Precedence, UserFileBeatsSystemFile) {
  write("etc/config.yaml", "memory.threshold: 1\nreport.days: 7\n");
  const std::string path = write_user("memory.threshold: 2\n");
  const Config config = load();
  EXPECT_EQ(config.number("memory.threshold"), 2);
  EXPECT_EQ(config.origin("memory.threshold").source, Source::UserFile);
  EXPECT_EQ(config.origin("memory.threshold").text, path + ":1");
  EXPECT_EQ(config.number("report.days"), 7) << "what the user leaves open stays the system's";
}

TEST_F(Precedence, EnvironmentBeatsUserFile) {
  write_user("memory.threshold: 2\n");
  inputs.environment = {{"CANHAZGPU_MEMORY_THRESHOLD", "3"}};
  const Config config = load();
  EXPECT_EQ(config.number("memory.threshold"), 3);
  EXPECT_EQ(config.origin("memory.threshold").source, Source::Environment);
  EXPECT_EQ(config.origin("memory.threshold").text, "CANHAZGPU_MEMORY_THRESHOLD");
}

TEST_F(Precedence, FlagsBeatEnvironment) {
  inputs.environment = {{"CANHAZGPU_MEMORY_THRESHOLD", "3"}};
  set_flag("memory.threshold", "4", "--memory-threshold");
  const Config config = load();
  EXPECT_EQ(config.number("memory.threshold"), 4);
  EXPECT_EQ(config.origin("memory.threshold").source, Source::Flag);
  EXPECT_EQ(config.origin("memory.threshold").text, "--memory-threshold");
}

TEST_F(Precedence, LastOfTwoFlagsCounts) {
  set_flag("run.gpus", "2", "--gpus");
  set_flag("run.gpus", "3", "-g");
  EXPECT_EQ(load().number("run.gpus"), 3);
}

TEST_F(Precedence, ExplicitFileReplacesTheUsers) {
  write("etc/config.yaml", "report.days: 7\n");
  write_user("memory.threshold: 2\nreport.by: day\n");
  inputs.file = write("elsewhere/mine.yaml", "memory.threshold: 9\n");
  const Config config = load();
  EXPECT_EQ(config.number("memory.threshold"), 9);
  EXPECT_EQ(config.text("report.by"), "user");
  EXPECT_EQ(config.number("report.days"), 7) << "the system's file is still read";
}

TEST_F(Precedence, ExplicitFileMakesSeveralUserFilesNoError) {
  write_user("");
  write("home/.canhazgpu.json", "");
  inputs.file = write("mine.yaml", "run.gpus: 2\n");
  EXPECT_EQ(load().number("run.gpus"), 2);
}

TEST_F(Precedence, AListReplacesTheOneBelow) {
  write("etc/config.yaml", "ignore_processes: [Xorg, dwm]\n");
  write_user("ignore_processes: [sway]\n");
  EXPECT_EQ(load().list("ignore_processes"), std::vector<std::string>{"sway"});
}

TEST_F(Precedence, AnEmptyVariableIsNotSet) {
  write_user("memory.threshold: 2\n");
  inputs.environment = {{"CANHAZGPU_MEMORY_THRESHOLD", ""}};
  EXPECT_EQ(load().number("memory.threshold"), 2);
}

TEST_F(Precedence, AKeyWithoutValueIsNotSet) {
  write("etc/config.yaml", "run.timeout: 2h\n");
  write_user("run.timeout:\nrun.grace: ~\nreserve:\n");
  const Config config = load();
  EXPECT_EQ(config.duration("run.timeout"), 2h);
  EXPECT_EQ(config.duration("run.grace"), 30s);
  EXPECT_TRUE(config.warnings().empty());
}

TEST_F(Precedence, AHiddenBadValueIsStillAnError) {
  write("etc/config.yaml", "report.days: soon\n");
  write_user("report.days: 8\n");
  set_flag("report.days", "9", "--days");
  EXPECT_EQ(failure().kind(), ErrorKind::Usage);
}

}  // namespace
}  // namespace chg
