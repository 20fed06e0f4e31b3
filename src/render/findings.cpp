#include "render/findings.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

constexpr std::size_t kTextMax = 400;

const char* word_of(Finding::Health health) {
  switch (health) {
    case Finding::Health::Good:
      return "ok";
    case Finding::Health::Notice:
      return "note";
    case Finding::Health::Bad:
      return "BAD";
  }
  return "";
}

Color color_of(Finding::Health health) {
  switch (health) {
    case Finding::Health::Good:
      return Color::Green;
    case Finding::Health::Notice:
      return Color::Yellow;
    case Finding::Health::Bad:
      return Color::Red;
  }
  return Color::None;
}

}  // namespace

std::string findings_text(const std::vector<Finding>& findings, const Style& style) {
  std::size_t widest = 0;
  for (const Finding& finding : findings) widest = std::max(widest, finding.subject.size());
  std::string text;
  for (const Finding& finding : findings) {
    // Padded before it is painted: colours have no width.
    const std::string word = fmt::format("{:<4}", word_of(finding.health));
    text += fmt::format("{}  {:<{}}  {}\n", painted(word, color_of(finding.health), style),
                        finding.subject, widest, printable(finding.text, kTextMax));
    if (finding.advice.empty()) continue;
    text += fmt::format("{:{}}-> {}\n", "", widest + 8, printable(finding.advice, kTextMax));
  }
  return text;
}

}  // namespace chg
