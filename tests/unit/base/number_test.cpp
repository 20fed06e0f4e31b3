#include "base/number.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace chg {
namespace {

TEST(Parse, ReadsANumberAndNothingElse) {
  EXPECT_EQ(parse<int>("-5"), -5);
  EXPECT_EQ(parse<std::uint64_t>("18446744073709551615"), ~0ULL);
  EXPECT_EQ(parse<std::uint32_t>("fF", 16), 255U);
  EXPECT_EQ(parse<double>("1.5"), 1.5);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "0x1", "1.0", "-"}) {
    EXPECT_EQ(parse<int>(text), std::nullopt) << text;
  }
}

TEST(Parse, RefusesWhatDoesNotFit) {
  EXPECT_EQ(parse<int>("2147483648"), std::nullopt);
  EXPECT_EQ(parse<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(parse<unsigned char>("100", 16), std::nullopt);
}

TEST(CutNumber, LeavesWhatStandsBehindIt) {
  std::string_view rest = "12 MiB";
  EXPECT_EQ(cut_number<int>(rest), 12);
  EXPECT_EQ(rest, " MiB");
  EXPECT_EQ(cut_number<int>(rest), std::nullopt);
  EXPECT_EQ(rest, " MiB");
}

}  // namespace
}  // namespace chg
