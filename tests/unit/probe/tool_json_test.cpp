#include "probe/tool_json.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

using nlohmann::json;

std::string read(const std::string& text) {
  const auto value = read_tool_json(text);
  return value ? value->dump() : "none";
}

TEST(ToolJson, IsFoundBehindWarnings) {
  EXPECT_EQ(read("[1]"), "[1]");
  EXPECT_EQ(read("WARNING: User is missing the following required groups: render, video.\n[1]\n"),
            "[1]");
  EXPECT_EQ(read("WARNING [x]: {1}\n  {\"a\": 1}\n"), "{\"a\":1}");
  EXPECT_EQ(read("[warning] no such thing\n[1]"), "[1]");
  EXPECT_EQ(read("note: [1]"), "[1]");
}

TEST(ToolJson, IsFoundBeforeOtherText) {
  EXPECT_EQ(read("[1]\nDone.\n"), "[1]");
  EXPECT_EQ(read("{} {}"), "{}");
}

TEST(ToolJson, IsMissingWhereThereIsNone) {
  for (const char* text : {"", "No JSON data to report", "42", "[", "[1,", "{\"a\": ", "{a: 1}",
                           "[1e999]", "\n\n\n", "WARNING [x]"}) {
    EXPECT_EQ(read(text), "none") << text;
  }
}

TEST(ToolJson, HoldsTextThatIsNone) {
  EXPECT_EQ(read("[\"a\xff\xfe\"]"), "[\"a??\"]");
  EXPECT_EQ(read(R"(["a\udc80b"])"), "[\"a?b\"]");
  EXPECT_EQ(read(R"(["a\\udc80"])"), R"(["a\\udc80"])");
  EXPECT_EQ(read("[\"\\\xff\"]"), "none");
}

TEST(ToolJson, IsMissingWhereItIsNestedTooDeep) {
  EXPECT_NE(read(std::string(60, '[') + std::string(60, ']')), "none");
  EXPECT_EQ(read(std::string(1'000'000, '[') + std::string(1'000'000, ']')), "none");
  EXPECT_EQ(read("[\"" + std::string(1000, '[') + "\"]"), "[\"" + std::string(1000, '[') + "\"]");
}

TEST(ToolJson, IsGivenUpWhereManyLinesBeginWithBrackets) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "[x\n";
  EXPECT_EQ(read(text + "[1]"), "none");
}

std::string quantity(const json& value, std::string_view unit) {
  const auto found = json_quantity(&value, unit);
  return found ? std::to_string(*found) : "none";
}

TEST(JsonQuantity, IsReadInEveryForm) {
  EXPECT_EQ(quantity(5, "W"), "5.000000");
  EXPECT_EQ(quantity(5.5, "W"), "5.500000");
  EXPECT_EQ(quantity("5", "W"), "5.000000");
  EXPECT_EQ(quantity("5.5 W", "W"), "5.500000");
  EXPECT_EQ(quantity(json{{"value", 5}, {"unit", "W"}}, "W"), "5.000000");
  EXPECT_EQ(quantity(json{{"value", 5}}, "W"), "5.000000");
}

TEST(JsonQuantity, IsMissingForAnythingElse) {
  for (const json& value :
       {json(), json("N/A"), json(""), json(-5), json("-5"), json("nan"), json("inf"), json(true),
        json::array(), json::object(), json{{"value", "N/A"}, {"unit", "W"}},
        json{{"value", 5}, {"unit", "mW"}}, json("5 mW")}) {
    EXPECT_EQ(quantity(value, "W"), "none") << value;
  }
  EXPECT_EQ(json_quantity(nullptr, "W"), std::nullopt);
}

std::optional<std::uint64_t> bytes(const json& value) { return json_bytes(&value, "MB"); }

TEST(JsonBytes, CountUnitsBy1024) {
  EXPECT_EQ(bytes(1), 1048576U);
  EXPECT_EQ(bytes(json{{"value", 0}, {"unit", "B"}}), 0U);
  EXPECT_EQ(bytes(json{{"value", 2}, {"unit", "KB"}}), 2048U);
  EXPECT_EQ(bytes("1.5 GB"), 1610612736U);
  EXPECT_EQ(bytes("1 TB"), 1099511627776U);
  EXPECT_EQ(bytes("1 mib"), 1048576U);
}

TEST(JsonBytes, AreMissingForOtherUnitsAndNoSensibleNumber) {
  EXPECT_EQ(bytes("5 W"), std::nullopt);
  EXPECT_EQ(bytes(json{{"value", 1e300}, {"unit", "B"}}), std::nullopt);
  EXPECT_EQ(bytes("99999999999999999999 B"), std::nullopt);
  EXPECT_EQ(bytes("N/A"), std::nullopt);
}

TEST(JsonNumber, IsWholeAndInItsRange) {
  const auto number = [](const json& value) { return json_number(&value, 10); };
  EXPECT_EQ(number(10), 10U);
  EXPECT_EQ(number("7"), 7U);
  for (const json& value : {json(11), json("11"), json(-1), json("-1"), json(1.5), json("1.5"),
                            json("x"), json(""), json(), json::array(), json("1 2")}) {
    EXPECT_EQ(number(value), std::nullopt) << value;
  }
}

TEST(JsonText, IsMissingWhereAWordStandsForNothing) {
  const auto text = [](const json& value) { return json_text(&value); };
  EXPECT_EQ(text(" a b "), "a b");
  for (const json& value : {json("N/A"), json("n/a"), json("UNKNOWN"), json("None"), json(5)}) {
    EXPECT_EQ(text(value), "") << value;
  }
}

}  // namespace
}  // namespace chg
