#include "render/findings.h"

#include "unit/render/samples.h"

namespace chg {
namespace {

using Health = Finding::Health;

TEST(FindingsText, IsALineForEachAndOneForItsAdvice) {
  EXPECT_EQ(findings_text({{Health::Good, "store", "/pool.db", ""},
                           {Health::Notice, "reading", "slow", "be patient"},
                           {Health::Bad, "disk", "full", "make room"}},
                          {}),
            "ok    store    /pool.db\n"
            "note  reading  slow\n"
            "               -> be patient\n"
            "BAD   disk     full\n"
            "               -> make room\n");
}

TEST(FindingsText, StaysHarmlessWhateverToolsPrint) {
  for (const std::string& nasty : samples::nasty_texts()) {
    const std::string text = findings_text({{Health::Bad, "disk", nasty, nasty}}, {});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace chg
