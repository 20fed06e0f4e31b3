// Rule 14: whose a process is, from what the kernel says of it.
#include "process/caller.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace chg {
namespace {

constexpr std::uint64_t kFirst = 4026531837;
constexpr std::uint64_t kOther = 4026532177;

TEST(Caller, IsTheRealUidInTheFirstUserNamespace) {
  const Caller caller = caller_of({1000, {1000, 27}, kFirst, std::nullopt});
  EXPECT_EQ(caller.account.uid, 1000U);
  EXPECT_EQ(caller.uid_here, 1000U);
  EXPECT_EQ(caller.user_namespace, UserNamespace::First);
  EXPECT_EQ(caller.groups, (std::vector<std::uint32_t>{1000, 27}));
  EXPECT_FALSE(caller.is_admin);
}

TEST(Caller, IsAnAdminAsRootOfTheFirstUserNamespace) {
  EXPECT_TRUE(caller_of({0, {0}, kFirst, std::nullopt}).is_admin);
}

TEST(Caller, IsTheHostsAccountInAnotherUserNamespace) {
  const Caller caller = caller_of({0, {0}, kOther, 1000});
  EXPECT_EQ(caller.account.uid, 1000U);
  EXPECT_EQ(caller.uid_here, 0U);
  EXPECT_EQ(caller.user_namespace, UserNamespace::Other);
}

TEST(Caller, IsNoAdminInAnotherUserNamespace) {
  for (const auto& host_uid :
       {std::optional(0U), std::optional(1000U), std::optional<unsigned>()}) {
    const Caller caller = caller_of({0, {0, 27}, kOther, host_uid});
    EXPECT_FALSE(caller.is_admin);
    EXPECT_TRUE(caller.groups.empty());
  }
}

TEST(Caller, IsUntoldWhereTheHostsUidIsNotTold) {
  EXPECT_EQ(caller_of({65534, {}, kOther, std::nullopt}).user_namespace, UserNamespace::Untold);
  EXPECT_EQ(caller_of({0, {}, 0, std::nullopt}).user_namespace, UserNamespace::Untold);
}

// Those of a real mountinfo, in part.
constexpr std::string_view kMounts =
    "43 28 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "60 43 0:22 / /tmp/a\\040-\\040tmpfs\\040me rw,nosuid - tmpfs tmpfs rw,uid=1\n"
    "61 43 0:23 / /dev/shm rw - tmpfs mine rw,uid=2\n";

TEST(OwnerOfTmpfs, IsItsOption) {
  const std::string mounts =
      std::string(kMounts) +
      "63 45 0:39 / /proc rw,relatime - tmpfs me rw,size=4k,uid=1009,gid=7\n";
  EXPECT_EQ(owner_of_tmpfs(mounts, "me"), 1009U);
}

TEST(OwnerOfTmpfs, IsRootWhereNobodyIsNamed) {
  EXPECT_EQ(owner_of_tmpfs("63 45 0:39 / /proc rw - tmpfs me rw,gid=7\n", "me"), 0U);
}

TEST(OwnerOfTmpfs, IsMissingWhereNoneIsMountedOrWhatItSaysIsNoUid) {
  EXPECT_EQ(owner_of_tmpfs(kMounts.substr(0, 40), "me"), std::nullopt);
  EXPECT_EQ(owner_of_tmpfs("", "me"), std::nullopt);
  EXPECT_EQ(owner_of_tmpfs("63 45 0:39 / /proc rw - tmpfs me rw,uid=x\n", "me"), std::nullopt);
  EXPECT_EQ(owner_of_tmpfs("63 45 0:39 / /proc rw - tmpfs mine rw,uid=1\n", "me"), std::nullopt);
}

TEST(FindCaller, FindsThisProcess) {
  const Caller caller = find_caller();
  EXPECT_EQ(caller.uid_here, ::getuid());
}

}  // namespace
}  // namespace chg
