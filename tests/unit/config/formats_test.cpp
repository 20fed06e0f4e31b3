#include "config/yaml_file.h"
#include "unit/config/config_fixture.h"

namespace chg {
namespace {

// One line for each entry: "key=value@line".
std::vector<std::string> entries_of(const std::string& text) {
  std::vector<std::string> lines;
  for (const FileEntry& entry : read_yaml(text, "f")) {
    std::string value = "nothing";
    if (const auto* one = std::get_if<std::string>(&entry.value)) value = *one;
    if (std::holds_alternative<NestedList>(entry.value)) value = "nested";
    if (const auto* several = std::get_if<std::vector<std::string>>(&entry.value)) {
      value = "[";
      for (const std::string& item : *several) value += item + ";";
      value += "]";
    }
    lines.push_back(entry.key + "=" + value + "@" + std::to_string(entry.line));
  }
  return lines;
}

std::string refusal_of(const std::string& text) {
  try {
    entries_of(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Failed);
    return error.what();
  }
  return "no error";
}

bool starts(const std::string& text, const std::string& part) { return text.starts_with(part); }

using Lines = std::vector<std::string>;

TEST(Yaml, ReadsSectionsDotsAndLists) {
  EXPECT_EQ(entries_of("run:\n  timeout: 2h  # why\n  gpu-ids: [0, '2-3']\nreport.days: 7\n"
                       "ignore-processes:\n  - Xorg\n  - \"a b\"\n"),
            (Lines{"run.timeout=2h@2", "run.gpu-ids=[0;2-3;]@3", "report.days=7@4",
                   "ignore-processes=[Xorg;a b;]@5"}));
}

TEST(Yaml, ReadsKeysWithoutValue) {
  EXPECT_EQ(entries_of("run:\nstore: null\n"), (Lines{"run=nothing@1", "store=nothing@2"}));
}

TEST(Yaml, SaysTheLineOfAMistake) {
  EXPECT_TRUE(starts(refusal_of("a: 1\nb: [1,\nc: 2\n"), "cannot understand 'f:"));
  EXPECT_TRUE(starts(refusal_of("a: 1\nb: c: d\n"), "cannot understand 'f:2': "));
}

TEST(Yaml, RefusesAKeyThatIsSetTwice) {
  EXPECT_EQ(refusal_of("run:\n  timeout: 1h\nrun.timeout: 2h\n"),
            "cannot understand 'f:3': 'run.timeout' is set twice, first in line 2");
}

TEST(Yaml, RefusesWhatIsNoSection) {
  EXPECT_EQ(refusal_of("- a\n"),
            "cannot understand 'f:1': expected keys with values, found a list");
  EXPECT_EQ(refusal_of("\nhello\n"),
            "cannot understand 'f:2': expected keys with values, found 'hello'");
}

TEST(Yaml, RefusesAliasesAndTakesAnchors) {
  EXPECT_EQ(refusal_of("a: &x [1]\nb: [*x, *x]\n"),
            "cannot understand 'f:2': aliases are not supported");
  EXPECT_EQ(refusal_of("a: &x {b: 1}\nc:\n  <<: *x\n"),
            "cannot understand 'f:3': aliases are not supported");
  EXPECT_EQ(entries_of("a: &x 1\n"), Lines{"a=1@1"});
}

TEST(Yaml, RefusesASecondDocument) {
  EXPECT_EQ(refusal_of("a: 1\n---\nb: 2\n"), "cannot understand 'f:2': more than one document");
}

TEST(Yaml, RefusesKeysThatAreNoTexts) {
  EXPECT_EQ(refusal_of("? [a]\n: 1\n"), "cannot understand 'f:1': a list cannot be a key");
  EXPECT_EQ(refusal_of("? {a: 1}\n: 1\n"), "cannot understand 'f:1': a section cannot be a key");
  EXPECT_EQ(refusal_of("~: 1\n"), "cannot understand 'f:1': a key is missing");
}

TEST(Yaml, RefusesDeepNesting) {
  EXPECT_TRUE(refusal_of(std::string(20'000, '[')).starts_with("cannot understand"));
  std::string text;
  for (int i = 0; i < 17; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_NE(refusal_of(text + std::string(17, ' ') + "a: 1\n"), "no error");
  EXPECT_EQ(refusal_of("a: " + std::string(16, '[') + std::string(16, ']')),
            "cannot understand 'f:1': nested deeper than 16 levels");
  EXPECT_NE(refusal_of("a: " + std::string(30'000, '{')), "no error");
}

TEST(Json, ReadsSectionsDotsAndLists) {
  EXPECT_EQ(
      entries_of(R"({
  "run": {"timeout": "2h",
          "gpu-ids": [0, "2-3"]},
  "report.days": 7,
  "status.json": true, "run.note": null, "memory": {"threshold": -1, "x": 1.50}
})"),
      (Lines{"run.timeout=2h@2", "run.gpu-ids=[0;2-3;]@3", "report.days=7@4", "status.json=true@5",
             "run.note=nothing@5", "memory.threshold=-1@5", "memory.x=1.50@5"}));
}

TEST(Json, SaysTheLineOfAMistake) {
  EXPECT_TRUE(starts(refusal_of("{\n\"a\": 1,\n\"b\": [1}\n"), "cannot understand 'f:3': "));
  EXPECT_TRUE(starts(refusal_of("{\"a\": 1"), "cannot understand 'f:1': "));
  EXPECT_EQ(refusal_of("{} x"), "cannot understand 'f:1': more than one document");
}

TEST(Json, RefusesAKeyThatIsSetTwice) {
  EXPECT_EQ(refusal_of("{\"a\": 1,\n\"a\": 2}"),
            "cannot understand 'f:2': 'a' is set twice, first in line 1");
}

TEST(Json, RefusesWhatIsNoSection) {
  EXPECT_EQ(refusal_of("[1]"), "cannot understand 'f:1': expected keys with values, found a list");
  EXPECT_EQ(refusal_of("3"), "cannot understand 'f:1': expected keys with values, found '3'");
}

TEST(Json, RefusesDeepNesting) {
  const std::string refusal = "cannot understand 'f:1': nested deeper than 16 levels";
  EXPECT_EQ(refusal_of("{\"a\":" + std::string(17, '[') + std::string(17, ']') + "}"), refusal);
  EXPECT_NE(refusal_of("{\"a\":" + std::string(60'000, '[')), "no error");
  std::string text;
  for (int i = 0; i < 17; ++i) text += "{\"a\":";
  EXPECT_EQ(refusal_of(text + "1" + std::string(17, '}')), refusal);
  for (int i = 0; i < 10'000; ++i) text += "{\"a\":";
  EXPECT_NE(refusal_of(text), "no error");
}

// What holds for each format.

struct Format {
  const char* name;
  std::vector<std::string> nothing;    // texts without an entry
  std::string lists;                   // in lists
  std::vector<std::string> are_lists;  // as they are told
  std::string endless_key;             // of 201 characters
  std::string empty_key;
  std::string one;  // a=1
  std::string whole;
};

std::ostream& operator<<(std::ostream& out, const Format& format) { return out << format.name; }

const std::string kEndless(201, 'k');

const Format kFormats[] = {{"Yaml",
                            {"", "\n\n", "# a comment\n", "---\n", "{}", "~", "--- # x\n...\n"},
                            "a:\n  - [1]\n  - {b: 2}\nc: 3\n",
                            {"a=nested@1", "c=3@4"},
                            kEndless + ": 1\n",
                            "'': 1\n",
                            "a: 1\n",
                            "run:\n  gpu_ids: [0, '2-3']\nignore_processes:\n  - \"a\\tb\"\n"},
                           {"Json",
                            {"", " \n\t\r\n", "{}", "null"},
                            R"({"a": [1, [2, {"b": 3}], 4], "c": 5})",
                            {"a=nested@1", "c=5@1"},
                            "{\"" + kEndless + "\": 1}",
                            "{\"\": 1}",
                            "{\"a\": 1}",
                            R"({"run": {"gpu_ids": [0, "2-3"], "x": 1.5}, "a": "\u00fc"})"}};

class EachFormat : public ::testing::TestWithParam<Format> {};

TEST_P(EachFormat, ReadsNothing) {
  for (const std::string& text : GetParam().nothing) EXPECT_EQ(entries_of(text), Lines{}) << text;
}

TEST_P(EachFormat, NotesListsInLists) {
  EXPECT_EQ(entries_of(GetParam().lists), GetParam().are_lists);
}

TEST_P(EachFormat, RefusesEndlessKeys) {
  std::string text = GetParam().endless_key;
  EXPECT_EQ(refusal_of(text), "cannot understand 'f:1': a key is longer than 200 characters");
  EXPECT_EQ(refusal_of(text.erase(text.find('k'), 1)), "no error");
}

TEST_P(EachFormat, RefusesEmptyKeys) {
  EXPECT_EQ(refusal_of(GetParam().empty_key), "cannot understand 'f:1': a key is empty");
}

TEST_P(EachFormat, SkipsAByteOrderMark) {
  EXPECT_EQ(entries_of("\xef\xbb\xbf" + GetParam().one), Lines{"a=1@1"});
}

TEST_P(EachFormat, SurvivesStrangeBytes) {
  const std::string samples[] = {std::string(1, '\0'), "\xff\xfe",     "a: \x1b[2J\xff",
                                 "{\"a\": \"\xff\"}",  "a = \"\xff\"", "\x80\x80: \x80",
                                 "a: \"\\x00\"",       "\xfe\xff",     "%YAML 9.9\n---\na: 1",
                                 "a: !!binary x",      "\t: \t",       "a:\r\rb: 1"};
  for (const std::string& sample : samples) {
    for (const char c : refusal_of(sample)) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x20) << "a message is one printable line";
    }
  }
}

TEST_P(EachFormat, SurvivesBeingCutAnywhere) {
  const std::string& whole = GetParam().whole;
  EXPECT_EQ(refusal_of(whole), "no error");
  for (std::size_t i = 0; i < whole.size(); ++i) refusal_of(whole.substr(0, i));
}

INSTANTIATE_TEST_SUITE_P(, EachFormat, ::testing::ValuesIn(kFormats),
                         [](const auto& format) { return std::string(format.param.name); });

}  // namespace
}  // namespace chg
