#include "render/table.h"

#include "base/text.h"
#include "unit/render/samples.h"

namespace chg {
namespace {

using samples::lines_of;

TEST(Table, AlignsByColumnsOfTheTerminal) {
  EXPECT_EQ(table_text({{.title = "A"}, {.title = "B"}},
                       {{std::string("\xe6\xbc\xa2\xe5\xad\x97"), std::string("x")},
                        {std::string("abc"), std::string("y")}},
                       {}),
            "A     B\n"
            "\xe6\xbc\xa2\xe5\xad\x97  x\n"
            "abc   y\n");
}

TEST(Table, AlignsNumbersToTheRight) {
  EXPECT_EQ(table_text({{.title = "N", .is_number = true}, {.title = "HOURS", .is_number = true}},
                       {{std::string("7"), std::string("1.50")},
                        {std::string("128"), std::string("10.25")}},
                       {}),
            "  N  HOURS\n"
            "  7   1.50\n"
            "128  10.25\n");
}

TEST(Table, ShowsADashForNothing) {
  EXPECT_EQ(table_text({{.title = "AB"}, {.title = "C"}}, {{std::string(), std::string()}}, {}),
            "AB  C\n"
            "-   -\n");
}

TEST(Table, OfNoRowsHasTitles) { EXPECT_EQ(table_text({{.title = "A"}}, {}, {}), "A\n"); }

TEST(Table, EscapesWhatWouldBreakALine) {
  EXPECT_EQ(table_text({{.title = "A"}}, {{std::string("x\ny\x1b")}}, {}), "A\nx\\ny\\x1b\n");
}

TEST(Table, ShortensInTheOrderOfGivingWay) {
  const std::string text(30, 'x');
  const std::vector<Column> columns = {{.title = "A", .gives_way = 2},
                                       {.title = "B", .gives_way = 1}};
  const auto lines = lines_of(table_text(columns, {{text, text}}, {.columns = 52}));
  EXPECT_EQ(lines.at(1), text + "  " + std::string(19, 'x') + "…");
}

TEST(Table, CutsNothingOfUnlimitedWidth) {
  const std::string text(500, 'x');
  EXPECT_EQ(table_text({{.title = "A", .gives_way = 1}}, {{text}}, {}), "A\n" + text + "\n");
}

TEST(Table, LeavesOutAColumnOnlyWhenTitlesDoNotFit) {
  const std::vector<Column> columns = {{.title = "KEPT"}, {.title = "GONE", .gives_way = 1}};
  const Row row = {std::string("abcd"), std::string("efghijkl")};
  EXPECT_EQ(table_text(columns, {row}, {.columns = 10}), "KEPT  GONE\nabcd  efg…\n");
  EXPECT_EQ(table_text(columns, {row}, {.columns = 9}), "KEPT\nabcd\n");
}

TEST(Table, LeavesOutRatherThanShortensWhatIsWhole) {
  const std::vector<Column> columns = {{.title = "A"},
                                       {.title = "T", .gives_way = 1, .is_whole = true}};
  const Row row = {std::string("abcd"), std::string("0h 15m")};
  EXPECT_EQ(table_text(columns, {row}, {.columns = 12}), "A     T\nabcd  0h 15m\n");
  EXPECT_EQ(table_text(columns, {row}, {.columns = 11}), "A\nabcd\n");
}

TEST(Table, CutsWhatHasToStayRatherThanWrap) {
  const std::vector<Column> columns = {{.title = "POSITION"}, {.title = "ID"}};
  const Row row = {std::string("1"), std::string(40, 'x')};
  for (std::size_t width = 4; width < 60; ++width) {
    for (const std::string& line : lines_of(table_text(columns, {row}, {.columns = width}))) {
      EXPECT_LE(display_width(line), width) << line;
    }
  }
}

}  // namespace
}  // namespace chg
