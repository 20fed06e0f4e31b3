#include "base/text.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>
#include <utf8proc.h>

namespace chg {
namespace {

// One character, and of how many bytes it is: 1 of a byte that is no UTF-8.
struct Decoded {
  std::int32_t code_point = -1;  // -1: no UTF-8
  std::size_t bytes = 1;
};

Decoded decode(std::string_view text) {
  Decoded decoded;
  const auto bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &decoded.code_point);
  if (bytes > 0) decoded.bytes = static_cast<std::size_t>(bytes);
  return decoded;
}

struct Range {
  std::int32_t first;
  std::int32_t last;
};

// Characters that change how their neighbours are shown, or show nothing: soft hyphen, Arabic
// letter mark, fillers, zero-width and bidirectional controls, line and paragraph separators,
// variation tags. The variation selectors FE00-FE0F are not here: ordinary emoji carry them.
constexpr Range kDeceptive[] = {
    {0xAD, 0xAD},     {0x34F, 0x34F},     {0x61C, 0x61C},     {0x115F, 0x1160},
    {0x17B4, 0x17B5}, {0x180B, 0x180F},   {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F}, {0x3164, 0x3164},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
    {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

bool is_deceptive(std::int32_t code_point) {
  return std::any_of(std::begin(kDeceptive), std::end(kDeceptive), [&](const Range& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

std::size_t width_of(std::int32_t code_point) {
  return static_cast<std::size_t>(utf8proc_charwidth(code_point));
}

std::string escaped(std::int32_t code_point) {
  if (code_point == '\n') return "\\n";
  if (code_point == '\r') return "\\r";
  if (code_point == '\t') return "\\t";
  return code_point < 0x100 ? fmt::format("\\x{:02x}", code_point)
                            : fmt::format("\\u{{{:x}}}", code_point);
}

bool is_control(std::int32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

// Letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> rows(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) rows[i][0] = i;
  std::iota(rows[0].begin(), rows[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string printable(std::string_view text, std::size_t columns_max) {
  std::string result;
  std::size_t columns = 0;
  // Where to cut if the text turns out to be too long: the last place that leaves room for "…".
  std::size_t cut = 0;
  while (!text.empty()) {
    const auto [code_point, bytes] = decode(text);
    std::string piece(text.substr(0, bytes));
    const bool is_harmless =
        code_point >= 0 && !is_control(code_point) && !is_deceptive(code_point);
    if (!is_harmless) piece = escaped(code_point < 0 ? piece.front() & 0xFF : code_point);
    const std::size_t width = is_harmless ? width_of(code_point) : piece.size();
    // Combining marks take no column, but ten thousand of them on one letter are no text either.
    const bool too_long = columns + width > columns_max || result.size() > 4 * columns_max;
    if (too_long) return result.substr(0, cut) + "…";
    result += piece;
    columns += width;
    if (columns + 1 <= columns_max) cut = result.size();
    text.remove_prefix(bytes);
  }
  return result;
}

std::string message_line(std::string_view text) {
  constexpr std::size_t kColumnsMax = 4000;
  return printable(text, kColumnsMax) + "\n";
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto [code_point, bytes] = decode(text);
    columns += code_point < 0 ? 1 : width_of(code_point);
    text.remove_prefix(bytes);
  }
  return columns;
}

std::string_view cut(std::string_view& rest, char separator) {
  const std::string_view piece = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
  return piece;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return text.substr(0, 0);
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
  // A third of the letters may be wrong; beyond that a suggestion is a guess.
  std::size_t best = std::max<std::size_t>(word.size() / 3, 1) + 1;
  std::string found;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best && distance < word.size()) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string count_of(std::int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string join_names(const std::vector<std::string>& names) {
  if (names.size() < 2) return names.empty() ? "" : names.front();
  return fmt::format("{} and {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

}  // namespace chg
