#include "app/outage.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class OutageTest : public testing::Test {
 protected:
  // What is told when the error is met so long after the beginning.
  bool tells(seconds passed, Retry retry, const char* what = "away") {
    const Error error = Error(ErrorKind::Failed, what).with(retry);
    return outage_.tells(error, {WallTime(passed), passed, "boot"});
  }

  Outage outage_;
};

TEST_F(OutageTest, IsToldOnce) {
  EXPECT_TRUE(tells(seconds(0), Retry::Later));
  EXPECT_FALSE(tells(seconds(1), Retry::Later));
  EXPECT_FALSE(tells(seconds(59), Retry::Later));
}

TEST_F(OutageTest, IsToldAgainForAnotherReason) {
  EXPECT_TRUE(tells(seconds(0), Retry::Later));
  EXPECT_TRUE(tells(seconds(1), Retry::Later, "full"));
  EXPECT_FALSE(tells(seconds(2), Retry::Later));
}

TEST_F(OutageTest, IsOverAfterAMinuteWithoutAny) {
  EXPECT_TRUE(tells(seconds(0), Retry::Later));
  EXPECT_FALSE(tells(minutes(1), Retry::Later));
  EXPECT_TRUE(tells(minutes(2) + seconds(1), Retry::Later));
}

TEST_F(OutageTest, IsNoneWhileOthersHoldTheLockForAMoment) {
  EXPECT_FALSE(tells(seconds(10), Retry::Busy));
  EXPECT_FALSE(tells(seconds(21), Retry::Busy));
  // It worked in between, for long enough.
  EXPECT_FALSE(tells(seconds(100), Retry::Busy));
  EXPECT_FALSE(tells(seconds(111), Retry::Busy));
}

TEST_F(OutageTest, IsToldWhereOthersHoldTheLockForLong) {
  EXPECT_FALSE(tells(seconds(10), Retry::Busy));
  EXPECT_FALSE(tells(seconds(21), Retry::Busy));
  EXPECT_TRUE(tells(seconds(32), Retry::Busy));
  EXPECT_FALSE(tells(seconds(43), Retry::Busy));
}

}  // namespace
}  // namespace chg
