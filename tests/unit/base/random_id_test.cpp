#include "base/random_id.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

TEST(RandomId, IsEightLettersThatNobodyMistakes) {
  const std::string id = random_id();
  EXPECT_EQ(id.size(), 8U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz"), std::string::npos) << id;
  EXPECT_NE(random_id(), id);
}

}  // namespace
}  // namespace chg
