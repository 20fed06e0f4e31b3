#include "render/style.h"

namespace chg {
namespace {

// In the order of Color.
constexpr const char* kSequences[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m"};

}  // namespace

std::string painted(const std::string& text, Color color, const Style& style) {
  if (!style.color || color == Color::None || text.empty()) return text;
  return kSequences[static_cast<std::size_t>(color)] + text + "\x1b[0m";
}

}  // namespace chg
