#include "core/policy.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

using std::chrono::hours;

Limits limits(const std::string& subject, std::optional<int> gpus,
              std::optional<Duration> duration = {}) {
  Limits made;
  made.subject = subject;
  made.gpus = gpus;
  made.duration = duration;
  return made;
}

TEST(LimitsOn, AnAccountAreNoneByDefault) {
  EXPECT_EQ(limits_on(Policy{}, "alice", {"students"}), Limits{});
}

TEST(LimitsOn, AnAccountAreItsOwnBeforeItsGroupsBeforeEverybodys) {
  Policy policy;
  policy.limits = {limits("", 1), limits("group.students", 2), limits("user.alice", 3)};
  EXPECT_EQ(limits_on(policy, "alice", {"students"}).gpus, 3);
  EXPECT_EQ(limits_on(policy, "bob", {"students"}).gpus, 2);
  EXPECT_EQ(limits_on(policy, "bob", {"staff"}).gpus, 1);
  EXPECT_EQ(limits_on(policy, "students", {}).gpus, 1);
}

TEST(LimitsOn, AnAccountAreTakenBoundByBound) {
  Policy policy;
  policy.limits = {limits("", 1, hours(2)), limits("user.alice", 3)};
  EXPECT_EQ(limits_on(policy, "alice", {}).gpus, 3);
  EXPECT_EQ(limits_on(policy, "alice", {}).duration, hours(2));
}

TEST(LimitsOn, SeveralGroupsAreThoseOfTheMostGenerous) {
  Policy policy;
  policy.limits = {limits("group.a", 1, hours(5)), limits("group.b", 4, hours(2)),
                   limits("group.c", 9)};
  EXPECT_EQ(limits_on(policy, "alice", {"a", "b"}).gpus, 4);
  EXPECT_EQ(limits_on(policy, "alice", {"b", "a"}).duration, hours(5));
}

TEST(StrictestLimits, AreTheLowestOfEverybodysAndAllGroupsBoundByBound) {
  Policy policy;
  EXPECT_EQ(strictest_limits(policy), Limits{});
  policy.limits = {limits("", 4, hours(2)), limits("group.a", 2, hours(5)), limits("group.b", 9),
                   limits("user.alice", 1, hours(1))};
  EXPECT_EQ(strictest_limits(policy), limits("", 2, hours(2)));
  policy.limits = {limits("", std::nullopt, hours(2)), limits("group.a", 3)};
  EXPECT_EQ(strictest_limits(policy), limits("", 3, hours(2)));
}

TEST(SeenWith, AViewChangesWhatItSays) {
  View view;
  view.memory_threshold_mib = 7;
  const Policy seen = seen_with(Policy{}, view);
  EXPECT_EQ(seen.memory_threshold_mib, 7U);
  EXPECT_EQ(seen.process_threshold_mib, Policy{}.process_threshold_mib);
  EXPECT_EQ(seen_with(Policy{}, View{}), Policy{});
}

}  // namespace
}  // namespace chg
