#include "base/duration_text.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace chg {
namespace {

using namespace std::chrono_literals;

std::string message_of(std::string_view text) {
  try {
    parse_duration(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_FALSE(error.hint().empty());
    return error.what();
  }
  return "no error";
}

TEST(ParseDuration, ReadsEachUnit) {
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("30m"), 30min);
  EXPECT_EQ(parse_duration("2h"), 2h);
  EXPECT_EQ(parse_duration("1d"), 24h);
}

TEST(ParseDuration, ReadsFractions) {
  EXPECT_EQ(parse_duration("0.5h"), 30min);
  EXPECT_EQ(parse_duration(".5h"), 30min);
  EXPECT_EQ(parse_duration("2.h"), 2h);
  EXPECT_EQ(parse_duration("0.25s"), 250ms);
  EXPECT_EQ(parse_duration("0.000000001s"), 1ns);
}

TEST(ParseDuration, ReadsFractionsExactlyBesideLongUnits) {
  EXPECT_EQ(parse_duration("100d0.1s"), 2400h + 100ms);
  EXPECT_EQ(parse_duration("3649d23h59m59.9s"), kDurationMax - 100ms);
}

TEST(ParseDuration, AddsUnitsFromLongToShort) {
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("1d2h3m4s"), 26h + 3min + 4s);
  EXPECT_EQ(parse_duration("1d4s"), 24h + 4s);
  EXPECT_EQ(parse_duration("1h90m"), 150min);
}

TEST(ParseDuration, RefusesRepeatedAndMisplacedUnits) {
  for (const char* text : {"1h1h", "30m1h", "4s1d", "1h2m3h"}) {
    EXPECT_EQ(message_of(text), std::string("invalid duration '") + text + "'");
  }
}

TEST(ParseDuration, RefusesWhatIsNoNumberAndUnit) {
  for (const char* text :
       {"",     " ",      "h",  "90",  "1h30", "1 h",  " 1h",  "1h ",  "1x",   "1H",    "1hm",
        "1,5h", "1.2.3h", ".h", "-1h", "+1h",  "1e3s", "0x1s", "infs", "nans", "1h-30m"}) {
    EXPECT_EQ(message_of(text), std::string("invalid duration '") + text + "'") << text;
  }
}

TEST(ParseDuration, RefusesZero) {
  EXPECT_EQ(message_of("0s"), "duration '0s' is not longer than zero");
  EXPECT_EQ(message_of("0d0h0m0s"), "duration '0d0h0m0s' is not longer than zero");
  EXPECT_EQ(message_of("0.0000000001s"), "duration '0.0000000001s' is not longer than zero");
}

TEST(ParseDuration, AcceptsTenYearsAndNoMore) {
  EXPECT_EQ(parse_duration("3650d"), kDurationMax);
  EXPECT_EQ(message_of("3650d1s"), "duration '3650d1s' is too long");
  EXPECT_EQ(message_of("3651d"), "duration '3651d' is too long");
}

TEST(ParseDuration, RefusesNumbersThatOverflow) {
  EXPECT_EQ(message_of("9223372036854775808s"), "duration '9223372036854775808s' is too long");
  EXPECT_NE(message_of(std::string(400, '9') + "d"), "no error");
  EXPECT_NE(message_of("0." + std::string(400, '0') + "1d"), "no error");
}

TEST(ParseDuration, ShowsStrangeBytesHarmlessly) {
  EXPECT_EQ(message_of("1h\x1b[31m\n\xff"), R"(invalid duration '1h\x1b[31m\n\xff')");
  EXPECT_EQ(message_of(std::string_view("1h\0", 3)), R"(invalid duration '1h\x00')");
  EXPECT_LT(message_of(std::string(10'000, 'x')).size(), 200U);
}

TEST(ToHms, CountsHoursWithoutDays) {
  EXPECT_EQ(to_hms(15min + 30s), "0h 15m 30s");
  EXPECT_EQ(to_hms(50h + 1s), "50h 0m 1s");
}

TEST(ToHms, DropsFractions) {
  EXPECT_EQ(to_hms(0s), "0h 0m 0s");
  EXPECT_EQ(to_hms(1999ms), "0h 0m 1s");
}

TEST(ToShortText, NamesOnlyTheUnitsThatAreThere) {
  EXPECT_EQ(to_short_text(90min), "1h30m");
  EXPECT_EQ(to_short_text(90s), "1m30s");
  EXPECT_EQ(to_short_text(24h), "1d");
  EXPECT_EQ(to_short_text(24h + 1s), "1d1s");
  EXPECT_EQ(to_short_text(0s), "0s");
}

TEST(ToShortText, IsExactBelowASecondWithoutZerosAtTheEnd) {
  EXPECT_EQ(to_short_text(500ms), "0.5s");
  EXPECT_EQ(to_short_text(1h + 1ms), "1h0.001s");
  EXPECT_EQ(to_short_text(500us), "0.0005s");
  EXPECT_EQ(to_short_text(1ns), "0.000000001s");
}

TEST(ToShortText, IsReadBackAsTheSameDuration) {
  for (const Duration duration :
       {Duration(1ns), Duration(999'999'999ns), Duration(1s), Duration(59s), Duration(1h + 1ms),
        Duration(25h + 61s + 7us), kDurationMax, kDurationMax - 1ns}) {
    EXPECT_EQ(parse_duration(to_short_text(duration)), duration) << to_short_text(duration);
  }
}

}  // namespace
}  // namespace chg
