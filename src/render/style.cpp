#include "render/style.h"

namespace chg {
namespace {

const char* sequence(Color color) {
  switch (color) {
    case Color::Green:
      return "\x1b[32m";
    case Color::Yellow:
      return "\x1b[33m";
    case Color::Red:
      return "\x1b[31m";
    case Color::Dim:
      return "\x1b[2m";
    case Color::None:
      break;
  }
  return "";
}

}  // namespace

std::string painted(const std::string& text, Color color, const Style& style) {
  if (!style.color || color == Color::None || text.empty()) return text;
  return sequence(color) + text + "\x1b[0m";
}

}  // namespace chg
