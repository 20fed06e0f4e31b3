// Text from outside, made safe to print, and small helpers for reading and writing text.
#pragma once

#include <cstdint>
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

/// `text` as people are told it on stderr: printable, with a newline at its end. What is longer
/// than 4000 columns has no end that matters.
std::string message_line(std::string_view text);

/// The number of terminal columns that printable text takes (East Asian wide characters take two,
/// combining marks none).
std::size_t display_width(std::string_view text);

/// What stands before the first `separator` in `rest`, which keeps what stands behind it: nothing
/// where there is no separator.
std::string_view cut(std::string_view& rest, char separator);

/// `text` without the white space around it; a view into `text`, even where it is empty.
std::string_view trimmed(std::string_view text);

/// `text` with its ASCII letters in lower case.
std::string lower_case(std::string_view text);

/// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): the same in every build, as
/// std::hash is not.
std::uint64_t hash_of(std::string_view text);

/// The known word closest to `word` by edit distance, or "" when none is close enough to be meant.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// "1 GPU", "2 GPUs", of a noun whose plural takes an s.
std::string count_of(std::int64_t count, const std::string& noun);

/// "alice", "alice and bob", "alice, bob and carol".
std::string join_names(const std::vector<std::string>& names);

}  // namespace chg
