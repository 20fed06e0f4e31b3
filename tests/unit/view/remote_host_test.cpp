#include "view/remote_host.h"

#include <gtest/gtest.h>

#include "core/host_identity.h"
#include "support/expect_error.h"

namespace chg {
namespace {

TEST(RemoteHost, IsANameOrAnAddressPerhapsWithAnAccount) {
  for (const char* name : {"gpu1", "GPU-1.example.org", "alice@gpu1", "10.0.0.7", "[fe80::1]",
                           "fe80::1", "a_b", "a.b@c-d"}) {
    EXPECT_NO_THROW(require_remote_host(name)) << name;
  }
}

TEST(RemoteHost, IsNeverAnOption) {
  for (const char* name : {"-oProxyCommand=id", "-v", "-", "alice@-oProxyCommand", "-a@gpu1"}) {
    expect_error(ErrorKind::Usage, "is no name of a host", [&] { require_remote_host(name); });
  }
}

TEST(RemoteHost, HasNoOtherCharacters) {
  for (const char* name : {"", "@", "@gpu1", "a@", "gpu 1", "gpu1;id", "gpu1\n", "$(id)", "gpü",
                           "a/b", "a=b", "a,b", "'a'"}) {
    expect_error(ErrorKind::Usage, "is no name of a host", [&] { require_remote_host(name); });
  }
  expect_error(ErrorKind::Usage, "is no name of a host",
               [&] { require_remote_host(std::string(301, 'a')); });
}

TEST(HostIdentity, IsTheSameInAllContainersOfABoot) {
  EXPECT_TRUE(is_same_host({"alpha", "boot"}, {"4f1c9e0d7a21", "boot"}));
  EXPECT_FALSE(is_same_host({"alpha", "boot"}, {"beta", "other"}));
}

TEST(HostIdentity, IsTheSameUnderItsNameAfterAReboot) {
  EXPECT_TRUE(is_same_host({"alpha", "boot"}, {"alpha", "next"}));
}

TEST(HostIdentity, IsLikeNoOtherWhereItIsUnknown) {
  EXPECT_FALSE(is_same_host({"", ""}, {"", ""}));
  EXPECT_FALSE(is_same_host({"alpha", ""}, {"beta", ""}));
  EXPECT_FALSE(is_same_host({"", "boot"}, {"", "next"}));
}

}  // namespace
}  // namespace chg
