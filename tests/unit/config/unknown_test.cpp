#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using Unknown = ConfigTest;

TEST_F(Unknown, KeyIsAWarningThatSuggestsTheNearest) {
  const std::string path = write_user("run:\n  tiemout: 2h\n");
  EXPECT_EQ(load().warnings(), std::vector<std::string>{"unknown key 'run.tiemout' (from " + path +
                                                        ":2); did you mean 'run.timeout'?"});
}

TEST_F(Unknown, KeyLikeNoOtherIsAWarningWithoutSuggestion) {
  const std::string path = write_user("frobnicate: 1\n");
  EXPECT_EQ(load().warnings(),
            std::vector<std::string>{"unknown key 'frobnicate' (from " + path + ":1)"});
}

TEST_F(Unknown, KeyDoesNotKeepOthersFromCounting) {
  write_user("frobnicate: [1, [2]]\nrun.gpus: 2\n");
  EXPECT_EQ(load().number("run.gpus"), 2);
}

TEST_F(Unknown, KeyWithoutValueIsAWarningToo) {
  write_user("frobnicate:\n");
  EXPECT_EQ(load().warnings().size(), 1U);
}

TEST_F(Unknown, KeyIsKnownByItsExactCase) {
  write_user("Run.Timeout: 2h\n");
  EXPECT_EQ(load().warnings().size(), 1U);
}

TEST_F(Unknown, KeysWithDashesAreKnown) {
  write_user("run.gpu-ids: 1\nignore-processes: x\nmemory:\n  process-threshold: 5\n");
  const Config config = load();
  EXPECT_TRUE(config.warnings().empty());
  EXPECT_EQ(config.number("memory.process_threshold"), 5);
}

TEST_F(Unknown, KeyInASectionThatIsAlsoAKeyIsAWarning) {
  write_user("probe:\n  timeou: 5s\n");
  ASSERT_EQ(load().warnings().size(), 1U);
  EXPECT_NE(load().warnings()[0].find("did you mean 'probe.timeout'?"), std::string::npos);
}

TEST_F(Unknown, ASectionUnderAKeyIsAnError) {
  const std::string path = write_user("run:\n  timeout:\n    max: 2h\n");
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.what(), "invalid run.timeout (from " + path +
                              ":3): expected a value, found a section with 'run.timeout.max'");
}

TEST_F(Unknown, AValueForASectionIsAnError) {
  const std::string path = write_user("memory: 1024\n");
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.what(),
            "invalid memory (from " + path + ":1): expected a section, found a value");
  EXPECT_EQ(error.hint(), "memory has keys of its own, such as memory.threshold");
}

TEST_F(Unknown, StrangeKeysAreShownHarmlessly) {
  write_user("\"a\\e[2J\\n\": 1\n");
  ASSERT_EQ(load().warnings().size(), 1U);
  EXPECT_NE(load().warnings()[0].find(R"('a\x1b[2J\n')"), std::string::npos);
}

TEST_F(Unknown, VariableIsAWarningThatSuggestsTheNearest) {
  inputs.environment = {{"CANHAZGPU_RUN_TIEMOUT", "2h"}, {"CANHAZGPU_FROBNICATE", "1"}};
  EXPECT_EQ(
      load().warnings(),
      (std::vector<std::string>{
          "unknown variable 'CANHAZGPU_FROBNICATE'",
          "unknown variable 'CANHAZGPU_RUN_TIEMOUT'; did you mean 'CANHAZGPU_RUN_TIMEOUT'?"}));
}

TEST_F(Unknown, VariablesOfOthersAndTheReservationsAreNone) {
  inputs.environment = {{"CANHAZGPU_RESERVATION", "r-1"}, {"HOME", "/x"}, {"CANHAZ", "1"}};
  EXPECT_TRUE(load().warnings().empty());
}

TEST_F(Unknown, StrangeVariablesAreShownHarmlessly) {
  inputs.environment = {{"CANHAZGPU_\x1b[2J", "1"},
                        {"CANHAZGPU_" + std::string(100'000, 'X'), "1"}};
  const std::vector<std::string> warnings = load().warnings();
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0], R"(unknown variable 'CANHAZGPU_\x1b[2J')");
  EXPECT_LT(warnings[1].size(), 300U);
}

TEST_F(Unknown, FlagKeyIsAProgrammingError) {
  set_flag("run.frobnicate", "1", "--frobnicate");
  EXPECT_THROW(load(), std::logic_error);
}

TEST_F(Unknown, KeysOfTheGoProgramsWebPageAreNoWarning) {
  write_user("web:\n  port: 8080\n  host: 0.0.0.0\n");
  inputs.environment = {{"CANHAZGPU_WEB_PORT", "8080"}};
  EXPECT_TRUE(load().warnings().empty());
}

}  // namespace
}  // namespace chg
