#include "base/json.h"

#include <array>
#include <stdexcept>

#include <utf8proc.h>

namespace chg::json_codec {
namespace {

bool is_space(char one) { return one == ' ' || one == '\t' || one == '\n' || one == '\r'; }

bool ends_word(char one) { return one == ',' || one == ']' || one == '}' || is_space(one); }

bool is_utf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at < end) {
    utf8proc_int32_t point = 0;
    const auto size = *at < 0x80 ? 1 : utf8proc_iterate(at, end - at, &point);
    if (size < 1) return false;
    at += size;
  }
  return true;
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

unsigned parse_hex(std::string_view digits) {
  const auto value = parse<unsigned>(digits, 16);
  if (!value) refuse(digits);
  return *value;
}

void append_point(std::string& out, unsigned point) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), bytes.data());
  if (size < 1) refuse("\\u");
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

// Takes four digits off the beginning of `rest`.
unsigned cut_unit(std::string_view& rest) {
  if (rest.size() < 4) refuse(rest);
  const unsigned unit = parse_hex(rest.substr(0, 4));
  rest.remove_prefix(4);
  return unit;
}

// The number behind "\u", which takes a second one where the first is half of a pair.
unsigned cut_point(std::string_view& rest) {
  const unsigned first = cut_unit(rest);
  if (first < 0xD800 || first > 0xDFFF) return first;
  if (first > 0xDBFF || !rest.starts_with("\\u")) refuse(rest);
  rest.remove_prefix(2);
  const unsigned second = cut_unit(rest);
  if (second < 0xDC00 || second > 0xDFFF) refuse(rest);
  return 0x10000 + ((first - 0xD800) << 10U) + (second - 0xDC00);
}

std::string without_escapes(std::string_view text) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  std::string out;
  while (true) {
    const std::size_t escape = text.find('\\');
    out += text.substr(0, escape);
    if (escape == std::string_view::npos) return out;
    text.remove_prefix(escape + 1);
    const char mark = text.empty() ? '\0' : text.front();
    if (!text.empty()) text.remove_prefix(1);
    if (mark == 'u') {
      append_point(out, cut_point(text));
      continue;
    }
    const std::size_t known = kEscapes.find(mark);
    if (known == std::string_view::npos) refuse(text);
    out += kMeanings[known];
  }
}

std::string parse_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') refuse(value);
  value = value.substr(1, value.size() - 2);
  if (value.find('\\') == std::string_view::npos) return std::string(value);
  return without_escapes(value);
}

// {"hex": "…"}
std::string parse_hex_object(std::string_view object) {
  Scanner in(object);
  in.expect('{');
  if (in.name() != "hex") refuse(object);
  in.expect(':');
  const std::string hex = parse_string(in.value());
  in.expect('}');
  if (hex.size() % 2 != 0) refuse(hex);
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(parse_hex(std::string_view(hex).substr(i, 2)));
  }
  return bytes;
}

}  // namespace

void refuse(std::string_view text) {
  throw std::invalid_argument("not as it should be: " + std::string(text.substr(0, 60)));
}

bool Scanner::skip(char mark) {
  skip_space();
  if (at_ == text_.size() || text_[at_] != mark) return false;
  ++at_;
  return true;
}

void Scanner::expect(char mark) {
  if (!skip(mark)) refuse(text_.substr(at_));
}

void Scanner::expect_end() {
  skip_space();
  if (at_ != text_.size()) refuse(text_.substr(at_));
}

std::string_view Scanner::name() {
  expect('"');
  const std::size_t begin = at_;
  skip_string();
  return text_.substr(begin, at_ - begin - 1);
}

std::string_view Scanner::value() {
  skip_space();
  const std::size_t begin = at_;
  if (begin == text_.size()) refuse("");
  const char first = text_[at_];
  if (first == '{' || first == '[') {
    skip_nested();
  } else if (first == '"') {
    ++at_;
    skip_string();
  } else {
    while (at_ < text_.size() && !ends_word(text_[at_])) ++at_;
    if (at_ == begin) refuse(text_.substr(at_));
  }
  return text_.substr(begin, at_ - begin);
}

std::string Scanner::bytes() {
  const std::string_view found = value();
  return found.starts_with('{') ? parse_hex_object(found) : parse_string(found);
}

void Scanner::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

// From behind its first quote to behind its last.
void Scanner::skip_string() {
  while (true) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) refuse(text_.substr(at_));
    std::size_t escapes = 0;
    while (escapes < quote - at_ && text_[quote - escapes - 1] == '\\') ++escapes;
    at_ = quote + 1;
    if (escapes % 2 == 0) return;
  }
}

void Scanner::skip_nested() {
  const std::size_t begin = at_;
  for (int depth = 0; at_ < text_.size();) {
    const char one = text_[at_++];
    if (one == '"') skip_string();
    if (one == '{' || one == '[') ++depth;
    if ((one == '}' || one == ']') && --depth == 0) return;
  }
  refuse(text_.substr(begin));
}

void append_bytes(std::string& out, std::string_view bytes) {
  if (!is_utf8(bytes)) {
    out += R"({"hex":")";
    for (const char byte : bytes) {
      out += kHexDigits[static_cast<unsigned char>(byte) >> 4U];
      out += kHexDigits[static_cast<unsigned char>(byte) & 15U];
    }
    out += "\"}";
    return;
  }
  out += '"';
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') out += '\\';
    if (code >= 0x20) {
      out += byte;
    } else if (byte == '\n') {
      out += "\\n";
    } else {
      out += "\\u00";
      out += kHexDigits[code >> 4U];
      out += kHexDigits[code & 15U];
    }
  }
  out += '"';
}

}  // namespace chg::json_codec
