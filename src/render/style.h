// How text looks. The caller decides: it knows where the text goes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace chg {

struct Style {
  bool color = false;       ///< SGR sequences around the words that matter
  std::size_t columns = 0;  ///< the terminal's width, for tables; 0: unlimited
};

enum class Color { None, Green, Yellow, Red, Dim };

/// `text` in that colour; unchanged if the style has no colours.
std::string painted(const std::string& text, Color color, const Style& style);

/// The length of the sequence that begins or ends a colour of ours, at the beginning of `text`; 0
/// where there is none.
std::size_t color_length(std::string_view text);

}  // namespace chg
