#include "store/import/go_supervisor.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

using Words = std::vector<std::string>;

TEST(GoSupervisor, IsKnownByItsCommandLine) {
  const auto found = read_go_supervisor({"/usr/local/bin/canhazgpu", "supervisor", "--gpus", "3,0",
                                         "--user", "alice", "--pid", "12"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->gpus, (std::vector<int>{0, 3}));
  EXPECT_EQ(found->user, "alice");
  EXPECT_EQ(found->pid, 12);
}

TEST(GoSupervisor, MayHaveItsValuesBehindEqualsSignsAndOthersBetween) {
  const auto found = read_go_supervisor({"canhazgpu", "--config", "x", "supervisor", "--timeout=2h",
                                         "--pid=12", "--user=b", "--gpus=7"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->gpus, std::vector<int>{7});
  EXPECT_EQ(found->pid, 12);
}

TEST(GoSupervisor, IsNoneWhereSomethingIsMissingOrOdd) {
  const Words good = {"canhazgpu", "supervisor", "--gpus", "0", "--user", "a", "--pid", "12"};
  for (std::size_t place = 1; place < good.size(); ++place) {
    Words words = good;
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(place));
    EXPECT_FALSE(read_go_supervisor(words)) << good[place];
  }
  for (const char* odd : {"", "0,", ",0", "0;1", "x", "-1", "99999999999"}) {
    Words words = good;
    words[3] = odd;
    const bool is_list = std::string(odd) == "0,";
    EXPECT_EQ(read_go_supervisor(words).has_value(), is_list) << odd;
    words = good;
    words[7] = odd;
    EXPECT_EQ(read_go_supervisor(words).has_value(), is_list) << odd;
  }
}

}  // namespace
}  // namespace chg
