#include "render/status_line.h"

#include <fmt/format.h>

#include "render/gpu_phrases.h"

namespace chg {
namespace {

constexpr char kAlsoUsed[] = "ALSO USED WITHOUT RESERVATION";

std::string enclosed(char left, const std::string& text, char right) {
  return text.empty() ? "" : left + text + right;
}

}  // namespace

std::string to_text(const StatusLine& line, const Style& style) {
  std::string text = fmt::format(
      "GPU {}: {}", line.gpu, painted(status_word(line.status), status_color(line.status), style));
  const auto add = [&](const std::string& part) {
    if (!part.empty()) text += " " + part;
  };
  add(line.by_whom);
  add(enclosed('(', line.parenthesis, ')'));
  add(enclosed('[', line.validation, ']'));
  add(line.leftovers);
  if (!line.foreign.empty()) add(painted(kAlsoUsed, Color::Red, style) + " " + line.foreign);
  add(line.lost_by);
  add(line.held_for);
  add(line.draining);
  add(enclosed('"', line.note, '"'));
  return text + "\n";
}

}  // namespace chg
