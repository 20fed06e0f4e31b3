#include "base/text.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

TEST(Printable, LeavesOrdinaryTextAlone) {
  for (const char* text : {"", "train.py --lr 0.1", "Jürgen", "学習", "🚀 run", "a\\x1b", "'\"`"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ShowsControlCharacters) {
  EXPECT_EQ(printable("a\nb\rc\td"), R"(a\nb\rc\td)");
  EXPECT_EQ(printable("\x1b[2J\a\x7f"), R"(\x1b[2J\x07\x7f)");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), R"(a\x00b)");
}

TEST(Printable, ShowsC1ControlsInUtf8) {
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            R"(\x9b31m)");
  EXPECT_EQ(printable("\xc2\x85"), R"(\x85)");
}

TEST(Printable, LeavesTheFirstCharacterAfterC1Alone) { EXPECT_EQ(printable("\u00a1"), "\u00a1"); }

TEST(Printable, ShowsBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("a\xff"), R"(a\xff)");
  EXPECT_EQ(printable("\x80"), R"(\x80)");          // continuation without a start
  EXPECT_EQ(printable("\xc3"), R"(\xc3)");          // cut off
  EXPECT_EQ(printable("\xe2\x82"), R"(\xe2\x82)");  // cut off
  EXPECT_EQ(printable("\xc3("), R"(\xc3()");        // the start alone is bad
}

TEST(Printable, ShowsOverlongFormsSurrogatesAndTooLargeOnes) {
  EXPECT_EQ(printable("\xc0\x8a"), R"(\xc0\x8a)");                  // newline in two bytes
  EXPECT_EQ(printable("\xe0\x80\x8a"), R"(\xe0\x80\x8a)");          // in three
  EXPECT_EQ(printable("\xf0\x80\x80\x8a"), R"(\xf0\x80\x80\x8a)");  // in four
  EXPECT_EQ(printable("\xed\xa0\x80"), R"(\xed\xa0\x80)");          // U+D800
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)");  // U+110000
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), R"(\xf5\x80\x80\x80)");
}

TEST(Printable, AcceptsTheLimitsOfEachLength) {
  for (const char* text : {"\u00a1", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\U00010000"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ShowsCharactersThatReorderOrHideText) {
  EXPECT_EQ(printable("a\u202Eb"), R"(a\u{202e}b)");
  EXPECT_EQ(printable("a\u2066b\u2069"), R"(a\u{2066}b\u{2069})");
  EXPECT_EQ(printable("a\u200Bb"), R"(a\u{200b}b)");
  EXPECT_EQ(printable("a\u00ADb"), R"(a\xadb)");
  EXPECT_EQ(printable("\uFEFF"), R"(\u{feff})");
  EXPECT_EQ(printable("\U000E0041"), R"(\u{e0041})");
  EXPECT_EQ(printable("\u2028"), R"(\u{2028})");
  EXPECT_EQ(printable("alice\u3164"), R"(alice\u{3164})");
}

TEST(Printable, LeavesTheSelectorsOfEmojiAlone) { EXPECT_EQ(printable("⚠\uFE0F"), "⚠\uFE0F"); }

TEST(Printable, ChangesNothingTheSecondTime) {
  const std::string once = printable("a\x1b\u202E\xff\n");
  EXPECT_EQ(printable(once), once);
}

TEST(Printable, KeepsTextThatJustFits) {
  EXPECT_EQ(printable("12345", 5), "12345");
  EXPECT_EQ(printable("学習", 4), "学習");
}

TEST(Printable, CutsTextThatDoesNotFit) {
  EXPECT_EQ(printable("123456", 5), "1234…");
  EXPECT_EQ(printable("学習中", 5), "学習…");
  EXPECT_EQ(printable("学習中", 4), "学…");
}

TEST(Printable, CutsEscapesAsAWhole) {
  EXPECT_EQ(printable("abc\x1bzz", 6), "abc…");
  EXPECT_EQ(printable("abc\x1b", 7), R"(abc\x1b)");
}

TEST(Printable, NeverTakesMoreColumnsThanAllowed) {
  const std::string text = "a学\x1b\u0301🚀\xff z\n学習";
  for (std::size_t columns = 1; columns < 40; ++columns) {
    EXPECT_LE(display_width(printable(text, columns)), columns);
  }
}

TEST(Printable, BoundsCombiningMarksToo) {
  std::string text = "a";
  for (int i = 0; i < 10'000; ++i) text += "\u0301";
  EXPECT_LT(printable(text, 20).size(), 100U);
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("Jürgen"), 6U);
  EXPECT_EQ(display_width("…"), 1U);
}

TEST(DisplayWidth, CountsWideCharactersTwice) {
  EXPECT_EQ(display_width("学習"), 4U);
  EXPECT_EQ(display_width("한국"), 4U);
  EXPECT_EQ(display_width("🚀"), 2U);
  EXPECT_EQ(display_width("✅"), 2U);
  EXPECT_EQ(display_width("🟢"), 2U);
}

TEST(DisplayWidth, CountsCombiningMarksNotAtAll) { EXPECT_EQ(display_width("e\u0301"), 1U); }

TEST(DisplayWidth, CountsWhatUnicodeDoesNotKnowOnce) {
  EXPECT_EQ(display_width("\u0378"), 1U);
  EXPECT_EQ(display_width("\uE000"), 1U);
}

TEST(DisplayWidth, CountsABadByteOnce) { EXPECT_EQ(display_width("a\xff"), 2U); }

const std::vector<std::string> kWords = {"run.timeout", "run.grace", "reserve.duration", "status"};

TEST(Cut, TakesWhatStandsBeforeTheSeparator) {
  std::string_view rest = "a,,b";
  EXPECT_EQ(cut(rest, ','), "a");
  EXPECT_EQ(cut(rest, ','), "");
  EXPECT_EQ(cut(rest, ','), "b");
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(cut(rest, ','), "");
}

TEST(Cut, LeavesNothingBehindASeparatorAtTheEnd) {
  std::string_view rest = "a,";
  EXPECT_EQ(cut(rest, ','), "a");
  EXPECT_TRUE(rest.empty());
}

TEST(Trimmed, IsAViewIntoTheText) {
  const std::string_view text = " \t a b\r\n";
  EXPECT_EQ(trimmed(text), "a b");
  EXPECT_EQ(trimmed(text).data(), text.data() + 3);
  const std::string_view blank = " \n";
  EXPECT_EQ(trimmed(blank), "");
  EXPECT_EQ(trimmed(blank).data(), blank.data());
}

TEST(LowerCase, ChangesAsciiAlone) { EXPECT_EQ(lower_case("N/A [MiB] Ü"), "n/a [mib] Ü"); }

// As published with the algorithm.
TEST(HashOf, IsFnv1a) {
  EXPECT_EQ(hash_of(""), 0xcbf29ce484222325U);
  EXPECT_EQ(hash_of("foobar"), 0x85944171f73967e8U);
}

TEST(Nearest, FindsAMisspeltWord) {
  EXPECT_EQ(nearest("run.tiemout", kWords), "run.timeout");
  EXPECT_EQ(nearest("run.timeuot", kWords), "run.timeout");
  EXPECT_EQ(nearest("reserve.duraton", kWords), "reserve.duration");
  EXPECT_EQ(nearest("statsu", kWords), "status");
}

TEST(Nearest, FindsTheWordItself) { EXPECT_EQ(nearest("status", kWords), "status"); }

TEST(Nearest, FindsNothingForAStranger) {
  EXPECT_EQ(nearest("colour", kWords), "");
  EXPECT_EQ(nearest("xyz", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
}

TEST(Nearest, FindsNothingAmongNone) { EXPECT_EQ(nearest("status", {}), ""); }

TEST(Nearest, PrefersTheCloserAndThenTheFirst) {
  const std::vector<std::string> words = {"queues", "queue", "quote"};
  EXPECT_EQ(nearest("queu", words), "queue");
  EXPECT_EQ(nearest("quee", std::vector<std::string>{"queue", "quere"}), "queue");
}

TEST(JoinNames, SaysThemAsPeopleDo) {
  EXPECT_EQ(join_names({}), "");
  EXPECT_EQ(join_names({"alice"}), "alice");
  EXPECT_EQ(join_names({"alice", "bob"}), "alice and bob");
  EXPECT_EQ(join_names({"alice", "bob", "carol"}), "alice, bob and carol");
}

}  // namespace
}  // namespace chg
