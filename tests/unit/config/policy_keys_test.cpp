#include "config/policy_keys.h"

#include "base/error.h"
#include "unit/config/config_fixture.h"

namespace chg {
namespace {

using namespace std::chrono_literals;

const Origin kOrigin{Source::Flag, "here"};

void set(Policy& policy, const std::string& key, const std::string& value) {
  set_policy(policy, key, value, kOrigin);
}

std::string refused(const std::string& key, const std::string& value) {
  Policy policy;
  try {
    set(policy, key, value);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

std::optional<std::string> value_of(const Policy& policy, const std::string& key) {
  for (const PolicyValue& one : policy_values(policy)) {
    if (one.key == key) return one.value;
  }
  return "no such key";
}

TEST(PolicyKeys, EachIsShownAsItWasSet) {
  const std::map<std::string, std::string> values = {{"allocation.policy", "mru-per-user"},
                                                     {"heartbeat.interval", "5s"},
                                                     {"heartbeat.timeout", "20s"},
                                                     {"memory.threshold", "7"},
                                                     {"memory.process_threshold", "8"},
                                                     {"ignore_processes", "a,b"},
                                                     {"probe", "nvml"},
                                                     {"contact", "carol@lab"},
                                                     {"leftovers.grace", "5m"},
                                                     {"history.kept", "30d"},
                                                     {"default.timeout", "1d"},
                                                     {"limits.gpus", "4"},
                                                     {"limits.user.a.b-c.duration", "2h"},
                                                     {"limits.group.students.timeout", "3h"},
                                                     {"limits.requests", "0"}};
  Policy policy;
  for (const auto& [key, value] : values) {
    EXPECT_TRUE(is_policy_key(key)) << key;
    set(policy, key, value);
  }
  for (const auto& [key, value] : values) EXPECT_EQ(value_of(policy, key), value) << key;
  for (const Key& key : policy_keys()) EXPECT_TRUE(values.contains(std::string(key.name)));
  for (const auto& [key, value] : values) unset_policy(policy, key);
  EXPECT_EQ(policy, Policy{});
}

TEST(PolicyKeys, ChangeNothingElse) {
  Policy policy;
  set(policy, "memory.threshold", "7");
  Policy expected;
  expected.memory_threshold_mib = 7;
  EXPECT_EQ(policy, expected);
}

TEST(PolicyKeys, RefuseWhatIsNoValueOfTheirs) {
  EXPECT_EQ(refused("memory.threshold", "much"),
            "invalid memory.threshold 'much' (from here): expected a whole number from 0 to "
            "1000000000 | ");
  EXPECT_NE(refused("limits.user.alice.gpus", "-1").find("invalid limits.user.alice.gpus '-1'"),
            std::string::npos);
  EXPECT_NE(refused("heartbeat.timeout", "0s"), "no error");
}

TEST(PolicyKeys, UnknownOnesAreRefusedWithWhatWasMeant) {
  EXPECT_EQ(refused("memory.treshold", "1"),
            "unknown key 'memory.treshold' of the policy (from here) | did you mean "
            "'memory.threshold'?");
  for (const char* key : {"limits", "limits.cats", "limits.alice.gpus", "limits.user.gpus",
                          "limits.user..gpus", "limits.group.x", "run.gpus", ""}) {
    EXPECT_FALSE(is_policy_key(key)) << key;
    EXPECT_NE(refused(key, "1").find("unknown key"), std::string::npos) << key;
  }
}

TEST(PolicyKeys, ATimeoutWithinTheIntervalIsRefused) {
  Policy policy;
  policy.heartbeat_timeout = policy.heartbeat_interval;
  EXPECT_THROW(check_policy(policy), Error);
  policy.heartbeat_timeout += 1s;
  EXPECT_NO_THROW(check_policy(policy));
}

TEST(PolicyKeys, TheGraceOfLeftoversMayBeNone) {
  Policy policy;
  for (const char* none : {"0", "0s"}) {
    policy.leftovers_grace = 1h;
    set(policy, "leftovers.grace", none);
    EXPECT_EQ(policy.leftovers_grace, Duration::zero()) << none;
    EXPECT_EQ(value_of(policy, "leftovers.grace"), "0s");
  }
  EXPECT_NE(refused("leftovers.grace", "-1s").find("expected 0, or a duration"), std::string::npos);
  EXPECT_NE(refused("heartbeat.interval", "0").find("longer than zero"), std::string::npos);
}

TEST(PolicyKeys, AHistoryOfLessThanADayIsRefused) {
  Policy policy;
  policy.history_kept = 24h;
  EXPECT_NO_THROW(check_policy(policy));
  policy.history_kept = 24h - 1s;
  EXPECT_THROW(check_policy(policy), Error);
}

using PolicyFile = ConfigTest;

TEST_F(PolicyFile, SaysAllOfThePolicy) {
  const std::string path = write("policy.yaml",
                                 "heartbeat: {timeout: 10m}\n"
                                 "limits:\n  gpus: 4\n  user:\n    first-last: {gpus: 8}\n");
  const Policy policy = read_policy_file(path);
  EXPECT_EQ(policy.heartbeat_timeout, 10min);
  EXPECT_EQ(policy.heartbeat_interval, Policy{}.heartbeat_interval);
  EXPECT_EQ(limits_on(policy, "alice", {}).gpus, 4);
  EXPECT_EQ(limits_on(policy, "first-last", {}).gpus, 8);
}

TEST_F(PolicyFile, TellsAccountsApartByDashesAndUnderscores) {
  const Policy policy =
      read_policy_file(write("policy.yaml", "limits.user.a-b.gpus: 1\nlimits.user.a_b.gpus: 2\n"));
  EXPECT_EQ(limits_on(policy, "a-b", {}).gpus, 1);
  EXPECT_EQ(limits_on(policy, "a_b", {}).gpus, 2);
}

TEST_F(PolicyFile, NamesTheLineOfAMistake) {
  const std::string path = write("policy.yaml", "contact: x\nrun.gpus: 2\n");
  try {
    read_policy_file(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "unknown key 'run.gpus' of the policy (from " + path + ":2)");
  }
}

TEST_F(PolicyFile, KeysOfItInAnotherFileHaveNoEffectAndAreTold) {
  const std::string path = write_user("heartbeat.interval: 5s\nlimits: {gpus: 3}\n");
  inputs.environment = {{"CANHAZGPU_ALLOCATION_POLICY", "lru"}};
  const auto warnings = load().warnings();
  ASSERT_EQ(warnings.size(), 3U);
  EXPECT_EQ(warnings[0],
            "heartbeat.interval (from " + path +
                ":1) has no effect: it belongs to the pool's policy; see 'canhazgpu policy', and "
                "set it with: sudo canhazgpu policy set heartbeat.interval=5s");
  EXPECT_NE(warnings[1].find("limits.gpus=3"), std::string::npos);
  EXPECT_NE(warnings[2].find("allocation.policy (from CANHAZGPU_ALLOCATION_POLICY)"),
            std::string::npos);
}

}  // namespace
}  // namespace chg
