// Numbers in texts.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <type_traits>

namespace chg {

/// Cuts the number that `rest` begins with off it. nullopt, and nothing cut, where there is none or
/// it does not fit T. Blanks and '+' begin no number; whole numbers are read in `base`.
template <typename T>
std::optional<T> cut_number(std::string_view& rest, [[maybe_unused]] int base = 10) {
  T value{};
  std::from_chars_result read{};
  if constexpr (std::is_floating_point_v<T>) {
    read = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  } else {
    read = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  }
  if (read.ec != std::errc()) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()));
  return value;
}

/// The number that `text` is, and nothing else; nullopt for any other text.
template <typename T>
std::optional<T> parse(std::string_view text, int base = 10) {
  const std::optional<T> value = cut_number<T>(text, base);
  return text.empty() ? value : std::nullopt;
}

}  // namespace chg
