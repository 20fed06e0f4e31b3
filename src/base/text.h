// Text from outside, made safe to print, and small helpers for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// `text` as one harmless line: control characters (ESC, newline, C1 …) become \xNN or \n, \r, \t;
/// bytes that are no UTF-8 become \xNN; invisible format characters that reorder or hide text
/// (bidirectional controls, zero-width ones) become \u{NNNN}. Everything else stays as it is.
/// More than `columns_max` terminal columns are cut, and the cut shown as "…".
std::string printable(std::string_view text, std::size_t columns_max = 200);

/// The number of terminal columns that printable text takes (East Asian wide characters take two,
/// combining marks none).
std::size_t display_width(std::string_view text);

/// The known word closest to `word` by edit distance, or "" when none is close enough to be meant.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// "alice", "alice and bob", "alice, bob and carol".
std::string join_names(const std::vector<std::string>& names);

}  // namespace chg
