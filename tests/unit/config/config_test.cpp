#include "config/config.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "config/policy_keys.h"
#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using namespace std::chrono_literals;

EffectiveValue effective(const Config& config, const std::string& key) {
  const std::vector<EffectiveValue> lines = config.effective();
  return *std::find_if(lines.begin(), lines.end(),
                       [&](const EffectiveValue& line) { return line.key == key; });
}

TEST(Keys, HaveNamesOfTheirOwnInFilesAndEnvironment) {
  std::set<std::string> names;
  std::set<std::string> variables;
  for (const Key& key : keys()) {
    EXPECT_TRUE(names.emplace(key.name).second) << key.name;
    EXPECT_TRUE(variables.insert(environment_name(key.name)).second) << key.name;
    EXPECT_EQ(key.name.find('-'), std::string_view::npos) << "files may write dashes, keys don't";
    EXPECT_NE(environment_name(key.name), "CANHAZGPU_RESERVATION");
  }
}

TEST(Keys, HaveAMeaningAndDefaultsWhereAValueIsAlwaysThere) {
  for (const Key& key : keys()) {
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    const bool takes_words = key.type == KeyType::Choice || key.type == KeyType::Signal;
    EXPECT_EQ(key.words.empty(), !takes_words) << key.name;
    const bool is_always_there = key.type == KeyType::Number || key.type == KeyType::Bool ||
                                 key.type == KeyType::Choice || key.type == KeyType::List;
    EXPECT_EQ(key.default_text.has_value() && is_policy_key(key.name), false) << key.name;
    EXPECT_TRUE(key.default_text.has_value() || !is_always_there || is_policy_key(key.name))
        << key.name;
  }
}

TEST(Keys, AreFoundByTheirExactNames) {
  EXPECT_EQ(keys()[find_key("run.gpu_ids").value()].name, "run.gpu_ids");
  EXPECT_FALSE(find_key("run.gpu-ids"));
  EXPECT_FALSE(find_key("run"));
  EXPECT_FALSE(find_key(""));
}

TEST(Keys, MakeSections) {
  for (const char* name : {"run", "reserve", "memory", "probe", "status", "redis"}) {
    EXPECT_TRUE(is_section(name)) << name;
  }
  for (const char* name : {"ru", "store", "run.timeout", "run.", "", "redi"}) {
    EXPECT_FALSE(is_section(name)) << name;
  }
}

TEST(Keys, HaveVariables) {
  EXPECT_EQ(environment_name("memory.threshold"), "CANHAZGPU_MEMORY_THRESHOLD");
  EXPECT_EQ(environment_name("run.gpu_ids"), "CANHAZGPU_RUN_GPU_IDS");
  EXPECT_EQ(environment_name("a-b"), "CANHAZGPU_A_B");
}

using ConfigValues = ConfigTest;

TEST_F(ConfigValues, AllVariablesAreHeard) {
  inputs.environment = {
      {"CANHAZGPU_STORE", "sqlite:/x"},  {"CANHAZGPU_PROBE", "fake"},
      {"CANHAZGPU_PROBE_TIMEOUT", "5s"}, {"CANHAZGPU_RUN_GPU_IDS", "0-1"},
      {"CANHAZGPU_RUN_NONBLOCK", "1"},   {"CANHAZGPU_IGNORE_PROCESSES", "Xorg,sway"},
      {"CANHAZGPU_REPORT_DAYS", "7"}};
  const Config config = load();
  EXPECT_EQ(config.text("store"), "sqlite:/x");
  EXPECT_EQ(config.text("probe"), "fake");
  EXPECT_EQ(config.duration("probe.timeout"), 5s);
  EXPECT_EQ(config.gpu_ids("run.gpu_ids"), (std::vector{0, 1}));
  EXPECT_TRUE(config.flag("run.nonblock"));
  EXPECT_EQ(config.list("ignore_processes"), (std::vector<std::string>{"Xorg", "sway"}));
  EXPECT_EQ(config.number("report.days"), 7);
  EXPECT_TRUE(config.warnings().empty());
}

TEST_F(ConfigValues, NestedAndDottedKeysMeanTheSame) {
  write("etc/config.yaml", "run: {timeout: 2h, gpu-ids: [0, 1]}\n");
  write_user("run.timeout: 2h\nrun.gpu_ids: 0-1\n");
  const Config both = load();
  inputs.home.clear();
  const Config nested = load();
  EXPECT_EQ(nested.duration("run.timeout"), both.duration("run.timeout"));
  EXPECT_EQ(nested.gpu_ids("run.gpu_ids"), both.gpu_ids("run.gpu_ids"));
  EXPECT_EQ(nested.origin("run.timeout").source, Source::SystemFile);
  EXPECT_EQ(both.origin("run.timeout").source, Source::UserFile);
}

TEST_F(ConfigValues, UnsetOnesAreNothing) {
  const Config config = load();
  EXPECT_EQ(config.text("store"), std::nullopt);
  EXPECT_EQ(config.gpu_ids("run.gpu_ids"), std::nullopt);
  EXPECT_EQ(config.duration("run.wait"), std::nullopt);
  EXPECT_FALSE(config.flag("run.nonblock"));
}

TEST_F(ConfigValues, AskingForAnUnknownKeyIsAProgrammingError) {
  const Config config = load();
  EXPECT_THROW(config.text("nothing"), std::logic_error);
  EXPECT_THROW(config.origin("nothing"), std::logic_error);
  EXPECT_THROW(config.flag("run"), std::logic_error);
}

TEST_F(ConfigValues, AskingForAnotherTypeIsAProgrammingErrorEvenWhenUnset) {
  const Config config = load();
  EXPECT_THROW(config.text("run.timeout"), std::logic_error);
  EXPECT_THROW(config.number("run.timeout"), std::logic_error);
  EXPECT_THROW(config.duration("run.gpus"), std::logic_error);
  EXPECT_THROW(config.list("run.gpu_ids"), std::logic_error);
  EXPECT_THROW(config.gpu_ids("ignore_processes"), std::logic_error);
  EXPECT_THROW(config.flag("store"), std::logic_error);
}

TEST_F(ConfigValues, NobodyHasAViewOfHisOwnByDefault) {
  const View view = load().view();
  EXPECT_EQ(view.memory_threshold_mib, std::nullopt);
  EXPECT_EQ(view.process_threshold_mib, std::nullopt);
  EXPECT_EQ(view.ignore_processes, std::nullopt);
}

TEST_F(ConfigValues, AViewFollowsItsKeys) {
  write_user("memory: {threshold: 7, process_threshold: 8}\nignore_processes: []\n");
  const View view = load().view();
  EXPECT_EQ(view.memory_threshold_mib, 7U);
  EXPECT_EQ(view.process_threshold_mib, 8U);
  EXPECT_EQ(view.ignore_processes, std::vector<std::string>{});
}

TEST_F(ConfigValues, LeftoversFollowTheirKey) {
  EXPECT_EQ(load().leftovers(), Leftovers::Keep);
  set_flag("run.leftovers", "kill", "--leftovers");
  EXPECT_EQ(load().leftovers(), Leftovers::Kill);
  set_flag("run.leftovers", "release", "--leftovers");
  EXPECT_EQ(load().leftovers(), Leftovers::Release);
}

TEST_F(ConfigValues, EffectiveOnesAreAllKeysWithValueAndOrigin) {
  const std::string path = write_user("\n\nrun.timeout: 90m\n");
  inputs.environment = {{"CANHAZGPU_RUN_GRACE", "45s"}};
  set_flag("run.gpu_ids", "1, 0", "--gpu-ids");
  const Config config = load();
  EXPECT_EQ(config.effective().size(), keys().size());
  EXPECT_EQ(effective(config, "run.timeout").value, "1h30m");
  EXPECT_EQ(effective(config, "run.timeout").origin, path + ":3");
  EXPECT_EQ(effective(config, "run.grace").value, "45s");
  EXPECT_EQ(effective(config, "run.grace").origin, "CANHAZGPU_RUN_GRACE");
  EXPECT_EQ(effective(config, "run.gpu_ids").value, "0,1");
  EXPECT_EQ(effective(config, "run.gpu_ids").origin, "--gpu-ids");
  EXPECT_EQ(effective(config, "report.days").value, "30");
  EXPECT_EQ(effective(config, "report.days").origin, "default");
  EXPECT_EQ(effective(config, "store").value, std::nullopt);
}

TEST_F(ConfigValues, EffectiveOnesRepeatTheWholeConfigurationAsFlags) {
  inputs.environment = {{"CANHAZGPU_RUN_TIMEOUT", "0.5s"}, {"CANHAZGPU_RUN_GPU_IDS", "2-4"}};
  const Config first = load();
  inputs.environment.clear();
  for (const EffectiveValue& line : first.effective()) {
    if (line.value) set_flag(line.key, *line.value, "again");
  }
  const Config second = load();
  for (std::size_t i = 0; i < keys().size(); ++i) {
    EXPECT_EQ(first.effective()[i].value, second.effective()[i].value) << keys()[i].name;
  }
}

TEST(ReadEnvironment, KeepsOurVariablesOnly) {
  const char* const environment[] = {"HOME=/x",
                                     "CANHAZGPU_STORE=sqlite:/a=b",
                                     "CANHAZGPU_RUN_NOTE=",
                                     "CANHAZGPU_BROKEN",
                                     "XCANHAZGPU_A=1",
                                     nullptr};
  EXPECT_EQ(read_environment(environment),
            (std::map<std::string, std::string>{{"CANHAZGPU_STORE", "sqlite:/a=b"},
                                                {"CANHAZGPU_RUN_NOTE", ""}}));
}

TEST(ReadEnvironment, OfNoneIsEmpty) { EXPECT_TRUE(read_environment(nullptr).empty()); }

TEST_F(ConfigValues, AnEmptyDurationIsNoneOrTheDefault) {
  write_user("run.timeout: ''\nreserve.duration: ''\nremote.timeout: ''\n");
  EXPECT_FALSE(load().duration("run.timeout"));
  EXPECT_EQ(load().duration("reserve.duration"), std::chrono::minutes(30));
  EXPECT_EQ(load().duration("remote.timeout"), std::chrono::seconds(15));
}

TEST_F(ConfigValues, AnEmptyDurationOfAFlagHidesWhatTheFileSays) {
  write_user("run.timeout: 2h\nreserve.duration: 8h\n");
  set_flag("run.timeout", "", "--timeout");
  set_flag("reserve.duration", "", "--duration");
  EXPECT_FALSE(load().duration("run.timeout"));
  EXPECT_EQ(load().duration("reserve.duration"), std::chrono::minutes(30));
}

TEST_F(ConfigValues, OfAnotherCommandAreNoConcern) {
  write_user("run:\n  gpus: none\n  timeout:\n    max: 2h\n  tiemout: 1s\n");
  inputs.environment = {{"CANHAZGPU_RESERVE_DURATION", "soon"}};
  for (const char* command : {"status", "doctor"}) {
    inputs.command = command;
    EXPECT_TRUE(load().warnings().empty());
  }
  inputs.command = "reserve";
  EXPECT_NE(std::string(failure().what()).find("reserve.duration"), std::string::npos);
  for (const char* command : {"run", ""}) {
    inputs.command = command;
    EXPECT_NE(std::string(failure().what()).find("run.gpus"), std::string::npos);
  }
}

TEST_F(ConfigValues, WithoutACommandOfTheirOwnConcernAll) {
  write_user("memory.threshold: none\n");
  inputs.command = "status";
  EXPECT_NE(std::string(failure().what()).find("memory.threshold"), std::string::npos);
}

}  // namespace
}  // namespace chg
