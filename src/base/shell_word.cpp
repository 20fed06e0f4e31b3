#include "base/shell_word.h"

#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

// zsh replaces "=NAME" by the path of a program.
bool is_plain(std::string_view text) {
  return !text.empty() && text.front() != '=' &&
         text.find_first_not_of(kPlain) == std::string_view::npos;
}

std::string in_quotes(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

// A "!" is not left to the history of a shell.
std::string escaped_in_quotes(std::string_view text) {
  std::string word = "$'";
  for (const char c : text) {
    const bool is_literal = c >= ' ' && c <= '~' && c != '\'' && c != '\\' && c != '!';
    word += is_literal ? std::string(1, c) : fmt::format("\\{:03o}", static_cast<unsigned char>(c));
  }
  return word + "'";
}

}  // namespace

std::string shell_word(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  const bool is_printable = printable(text, std::string_view::npos) == text;
  return is_printable ? in_quotes(text) : escaped_in_quotes(text);
}

}  // namespace chg
