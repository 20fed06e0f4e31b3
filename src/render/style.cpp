#include "render/style.h"

#include <fmt/format.h>

namespace chg {
namespace {

// In the order of Color.
constexpr std::string_view kSequences[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m"};
constexpr std::string_view kEnd = "\x1b[0m";

}  // namespace

std::string painted(const std::string& text, Color color, const Style& style) {
  if (!style.color || color == Color::None || text.empty()) return text;
  return fmt::format("{}{}{}", kSequences[static_cast<std::size_t>(color)], text, kEnd);
}

std::size_t color_length(std::string_view text) {
  if (text.starts_with(kEnd)) return kEnd.size();
  for (const std::string_view sequence : kSequences) {
    if (!sequence.empty() && text.starts_with(sequence)) return sequence.size();
  }
  return 0;
}

}  // namespace chg
