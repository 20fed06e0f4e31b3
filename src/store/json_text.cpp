#include "store/json_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace chg::json_text {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(std::string_view what) {
  throw std::invalid_argument("not as it should be: " + std::string(what.substr(0, 60)));
}

// Goes through a text of JSON, one value after another.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // Skips white space, and this mark if it comes next.
  bool skip(char mark) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != mark) return false;
    ++at_;
    return true;
  }

  void expect(char mark) {
    if (!skip(mark)) refuse(text_);
  }

  // What is between the quotes, as it stands there.
  std::string_view name() {
    expect('"');
    const std::size_t begin = at_;
    skip_string();
    return text_.substr(begin, at_ - begin - 1);
  }

  std::string_view value() {
    skip_space();
    const std::size_t begin = at_;
    if (begin == text_.size()) refuse(text_);
    const char first = text_[at_];
    if (first == '{' || first == '[') {
      skip_nested();
    } else if (first == '"') {
      ++at_;
      skip_string();
    } else {
      while (at_ < text_.size() && !ends_word(text_[at_])) ++at_;
      if (at_ == begin) refuse(text_);
    }
    return text_.substr(begin, at_ - begin);
  }

  void expect_end() {
    skip_space();
    if (at_ != text_.size()) refuse(text_);
  }

 private:
  static bool is_space(char one) { return one == ' ' || one == '\t' || one == '\n' || one == '\r'; }
  static bool ends_word(char one) {
    return one == ',' || one == ']' || one == '}' || is_space(one);
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  // From behind its first quote to behind its last.
  void skip_string() {
    while (true) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos) refuse(text_);
      std::size_t escapes = 0;
      while (escapes < quote - at_ && text_[quote - escapes - 1] == '\\') ++escapes;
      at_ = quote + 1;
      if (escapes % 2 == 0) return;
    }
  }

  void skip_nested() {
    for (int depth = 0; at_ < text_.size();) {
      const char one = text_[at_++];
      if (one == '"') skip_string();
      if (one == '{' || one == '[') ++depth;
      if ((one == '}' || one == ']') && --depth == 0) return;
    }
    refuse(text_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Calls `visit` with name and value of each member, until it returns false.
template <typename Visit>
void go_through(std::string_view object, Visit visit) {
  Scanner scanner(object);
  scanner.expect('{');
  if (!scanner.skip('}')) {
    do {
      const std::string_view name = scanner.name();
      scanner.expect(':');
      if (!visit(name, scanner.value())) return;
    } while (scanner.skip(','));
    scanner.expect('}');
  }
  scanner.expect_end();
}

std::string read_string(std::string_view value) {
  if (!value.starts_with('"')) refuse(value);
  if (value.find('\\') == std::string_view::npos) {
    return std::string(value.substr(1, value.size() - 2));
  }
  const auto unescaped = nlohmann::json::parse(value, nullptr, false);
  if (!unescaped.is_string()) refuse(value);
  return unescaped.get<std::string>();
}

bool is_utf8(const std::string& text) {
  const auto is_ascii = [](char byte) { return static_cast<unsigned char>(byte) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return true;
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

Members::Members(std::string_view text) {
  constexpr std::size_t kMost = 16;
  members_.reserve(kMost);
  go_through(text, [&](std::string_view name, std::string_view value) {
    members_.emplace_back(name, value);
    return true;
  });
}

std::optional<std::string_view> find_member(std::string_view object, std::string_view name) {
  std::optional<std::string_view> found;
  go_through(object, [&](std::string_view other, std::string_view value) {
    if (other == name) found = value;
    return !found;
  });
  return found;
}

std::optional<std::string_view> Members::find(std::string_view name) const {
  for (const auto& [known, value] : members_) {
    if (known == name) return value;
  }
  return std::nullopt;
}

std::string_view Members::at(std::string_view name) const {
  const auto found = find(name);
  if (!found) refuse(name);
  return *found;
}

std::string read_bytes(std::string_view value) {
  if (!value.starts_with('{')) return read_string(value);
  const std::string hex = read_string(Members(value).at("hex"));
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

template <typename Number>
Number read_number(std::string_view value) {
  Number number{};
  const char* end = value.data() + value.size();
  const auto [stopped, status] = std::from_chars(value.data(), end, number);
  if (status != std::errc() || stopped != end) refuse(value);
  return number;
}

template int read_number(std::string_view);
template std::uint32_t read_number(std::string_view);
template std::int64_t read_number(std::string_view);
template std::uint64_t read_number(std::string_view);

bool read_flag(std::string_view value) {
  if (value != "true" && value != "false") refuse(value);
  return value == "true";
}

std::vector<std::string_view> read_elements(std::string_view value) {
  std::vector<std::string_view> elements;
  Scanner scanner(value);
  scanner.expect('[');
  if (!scanner.skip(']')) {
    do {
      elements.push_back(scanner.value());
    } while (scanner.skip(','));
    scanner.expect(']');
  }
  scanner.expect_end();
  return elements;
}

json write_bytes(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return {{"hex", hex}};
}

std::string to_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace chg::json_text
