#include "base/accounts.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

TEST(Accounts, AreFoundByNameAndByUid) {
  EXPECT_EQ(uid_of_account("root"), 0U);
  EXPECT_EQ(name_of_account(0), "root");
  EXPECT_EQ(gid_of_group("root"), 0U);
}

TEST(Accounts, AreMissingWhereThereAreNone) {
  EXPECT_EQ(uid_of_account("no-such-account"), std::nullopt);
  EXPECT_EQ(name_of_account(4'000'000'123U), "4000000123");
  EXPECT_EQ(names_of_accounts({0, 4'000'000'123U}),
            (std::map<std::uint32_t, std::string>{{0, "root"}}));
  EXPECT_EQ(gid_of_group("no-such-group"), std::nullopt);
}

}  // namespace
}  // namespace chg
