// Finding values in JSON that was written by others than this reader.
#include "store/json_text.h"

#include <random>
#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace chg::json_text {
namespace {

using nlohmann::json;

TEST(JsonText, FindsValuesOfAllKinds) {
  const std::string text =
      R"( { "a" : 1, "b":"x\"},{","c":[1,[2,"]"]] ,"d":{"a":{"z":"}"}},"e":true,"f":null} )";
  const Members members(text);
  EXPECT_EQ(members.find("a"), "1");
  EXPECT_EQ(members.find("b"), R"("x\"},{")");
  EXPECT_EQ(members.find("c"), R"([1,[2,"]"]])");
  EXPECT_EQ(members.find("d"), R"({"a":{"z":"}"}})");
  EXPECT_EQ(members.find("e"), "true");
  EXPECT_EQ(members.at("f"), "null");
  EXPECT_EQ(members.find("z"), std::nullopt) << "that is a member of a member";
  EXPECT_THROW((void)members.at("z"), std::invalid_argument);
  EXPECT_EQ(Members("{ }").find("a"), std::nullopt);
}

TEST(JsonText, LooksNoFurtherThanTheMemberThatIsAskedFor) {
  EXPECT_EQ(find_member(R"({"a":1,"b":2,)", "b"), "2");
  EXPECT_THROW((void)find_member(R"({"a":1,"b":2,)", "c"), std::invalid_argument);
  EXPECT_EQ(find_member(R"({"a":1})", "c"), std::nullopt);
}

TEST(JsonText, RefusesWhatIsNoObject) {
  for (const char* text : {"",
                           " ",
                           "7",
                           "[1]",
                           "null",
                           "\"{}\"",
                           "{",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,",
                           "{\"a\":1,}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "{\"a\":1}x",
                           "{\"a\":1 2}",
                           "{\"a\":[1}",
                           "{\"a\":\"}",
                           "{\"a\":\"x\\\"}",
                           "{\"a\":}",
                           "{,}",
                           "\xff"}) {
    EXPECT_THROW(Members{text}, std::invalid_argument) << text;
  }
}

TEST(JsonText, ReadsNumbersInTheirRangeOnly) {
  EXPECT_EQ(read_number<int>("-7"), -7);
  EXPECT_EQ(read_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(read_numbers<int>(" [1, 2,3]"), (std::vector{1, 2, 3}));
  EXPECT_TRUE(read_numbers<int>("[ ]").empty());
  EXPECT_TRUE(read_flag("true"));
  EXPECT_FALSE(read_flag("false"));
  for (const char* text : {"", "x", "1.5", "1e3", "\"1\"", "2147483648", "null", "1 "}) {
    EXPECT_THROW(read_number<int>(text), std::invalid_argument) << text;
  }
  EXPECT_THROW(read_number<std::uint32_t>("-1"), std::invalid_argument);
  EXPECT_THROW(read_flag("1"), std::invalid_argument);
  for (const char* text : {"", "1", "[", "[1", "[1,]", "[1]]", "[1,\"2\"]"}) {
    EXPECT_THROW(read_numbers<int>(text), std::invalid_argument) << text;
  }
}

TEST(JsonText, ReadsBackAnyBytes) {
  std::mt19937 random{1};
  for (int round = 0; round < 2000; ++round) {
    json record = json::object();
    std::vector<std::string> written;
    for (int i = 0; i < 5; ++i) {
      constexpr std::string_view kOdd = "\"\\{}[],: \n\0\x01\xc3\xa4\xff/u";
      std::string bytes;
      for (auto length = random() % 6; length > 0; --length) bytes += kOdd[random() % kOdd.size()];
      record["m" + std::to_string(i)] = write_bytes(bytes);
      written.push_back(bytes);
    }
    const std::string text = record.dump(round % 2 == 0 ? -1 : 2);
    const Members members(text);
    for (std::size_t i = 0; i < written.size(); ++i) {
      ASSERT_EQ(read_bytes(members.at("m" + std::to_string(i))), written[i]) << text;
    }
  }
}

TEST(JsonText, RefusesWhatIsNoText) {
  for (const char* text :
       {"", "7", "[]", "{}", R"({"hex":7})", R"({"hex":{"hex":"00"}})", R"("\x")", R"("\u00")"}) {
    EXPECT_THROW(read_bytes(text), std::invalid_argument) << text;
  }
}

}  // namespace
}  // namespace chg::json_text
