#include "render/findings.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

constexpr std::size_t kTextMax = 400;

struct HealthLook {
  const char* word;
  Color color;
};

// In the order of Finding::Health; the words are padded before they are painted.
constexpr HealthLook kHealthLooks[] = {
    {"ok  ", Color::Green}, {"note", Color::Yellow}, {"BAD ", Color::Red}};

}  // namespace

std::string findings_text(const std::vector<Finding>& findings, const Style& style) {
  std::size_t widest = 0;
  for (const Finding& finding : findings) widest = std::max(widest, finding.subject.size());
  std::string text;
  for (const Finding& finding : findings) {
    const auto& [word, color] = kHealthLooks[static_cast<std::size_t>(finding.health)];
    text += fmt::format("{}  {:<{}}  {}\n", painted(word, color, style), finding.subject, widest,
                        printable(finding.text, kTextMax));
    if (finding.advice.empty()) continue;
    text += fmt::format("{:{}}-> {}\n", "", widest + 8, printable(finding.advice, kTextMax));
  }
  return text;
}

}  // namespace chg
