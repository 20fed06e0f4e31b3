// Listed types (base/fields.h) as JSON, and back, without a tree in between: everybody reads the
// whole pool at every command, and whoever waits reads at every change.
//
//   integers, bool        as they are
//   Duration, WallTime    nanoseconds (since 1970, UTC)
//   text                  a string; {"hex": "…"} for bytes that are not UTF-8
//   enums                 their words
//   optional, maybe()     left out when empty
//   lists                 arrays; lists of one-text types (kIsOneText) a string with a line each
//   maps of numbers       a string: "1000:5 1001:7"
//   other listed types    objects; members that the type does not have are skipped
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "base/fields.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {

namespace json_codec {

/// Throws std::invalid_argument with the beginning of `text`.
[[noreturn]] void refuse(std::string_view text);

/// Goes through a text of JSON, one value after another. All of it throws std::invalid_argument
/// for what is not as asked for.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  /// Skips white space, and this mark if it comes next.
  bool skip(char mark);
  void expect(char mark);
  void expect_end();

  /// What stands between the quotes of a name, escapes as they are.
  std::string_view name();

  /// The next value as it stands in the text. Nested ones are skipped without being checked.
  std::string_view value();

  /// A string, or the object that stands for bytes that are not UTF-8.
  std::string bytes();

 private:
  void skip_space();
  void skip_string();
  void skip_nested();

  std::string_view text_;
  std::size_t at_ = 0;
};

void append_bytes(std::string& out, std::string_view bytes);

template <typename Number>
Number parse_number(std::string_view text) {
  const auto number = parse<Number>(text);
  if (!number) refuse(text);
  return *number;
}

template <typename Type>
inline constexpr bool kIsWallTime = false;
template <typename Clock>
inline constexpr bool kIsWallTime<std::chrono::time_point<Clock, std::chrono::nanoseconds>> = true;

template <typename Type>
concept Time = std::is_same_v<Type, std::chrono::nanoseconds> || kIsWallTime<Type>;

template <Time Type>
std::int64_t count_of(Type time) {
  if constexpr (kIsWallTime<Type>) {
    return time.time_since_epoch().count();
  } else {
    return time.count();
  }
}

// --- values within a short text ---

template <typename Type>
void append_word(std::string& out, const Type& value) {
  if constexpr (std::is_same_v<Type, std::string>) {
    out += value;
  } else if constexpr (Time<Type>) {
    append_word(out, count_of(value));
  } else {
    const fmt::format_int digits(value);
    out.append(digits.data(), digits.size());
  }
}

template <typename Type>
Type parse_word(std::string_view text) {
  if constexpr (std::is_same_v<Type, std::string>) {
    return std::string(text);
  } else if constexpr (Time<Type>) {
    return Type(std::chrono::nanoseconds(parse_number<std::int64_t>(text)));
  } else {
    return parse_number<Type>(text);
  }
}

template <Listed Type>
std::string one_text(const Type& value) {
  std::string text;
  bool is_first = true;
  for_each_field(value, [&](std::string_view, const auto& member, bool) {
    if (!is_first) text += ' ';
    is_first = false;
    append_word(text, member);
  });
  return text;
}

template <Listed Type>
Type parse_one_text(std::string_view text) {
  Type value;
  const std::size_t count = std::tuple_size_v<decltype(fields_of(&value))>;
  std::size_t place = 0;
  for_each_field(value, [&]<typename Member>(std::string_view, Member& member, bool) {
    member = parse_word<Member>(++place == count ? text : cut(text, ' '));
  });
  return value;
}

// --- values of JSON ---

template <typename Type>
void append(std::string& out, const Type& value);

template <typename Type>
void append(std::string& out, const std::vector<Type>& values) {
  if constexpr (kIsOneText<Type>) {
    std::string lines;
    for (const Type& value : values) lines += one_text(value) + '\n';
    append_bytes(out, lines);
  } else {
    out += '[';
    for (const Type& value : values) {
      if (&value != &values.front()) out += ',';
      append(out, value);
    }
    out += ']';
  }
}

template <typename Type>
void append(std::string& out, const std::optional<Type>& value) {
  append(out, *value);
}

template <typename Key, typename Value>
void append(std::string& out, const std::map<Key, Value>& values) {
  std::string text;
  for (const auto& [key, value] : values) {
    if (!text.empty()) text += ' ';
    append_word(text, key);
    text += ':';
    append_word(text, value);
  }
  append_bytes(out, text);
}

template <typename Type>
bool is_empty(const std::optional<Type>& value) {
  return !value;
}

template <typename Type>
bool is_empty(const Type& value) {
  if constexpr (requires { value == Type{}; }) {
    return value == Type{};
  } else {
    return false;
  }
}

template <Listed Type>
void append_object(std::string& out, const Type& value) {
  char before = '{';
  for_each_field(value, [&]<typename Member>(std::string_view name, const Member& member,
                                             bool may_be_missing) {
    if (may_be_missing && is_empty(member)) return;
    out += before;
    before = ',';
    out += '"';
    out += name;
    out += "\":";
    append(out, member);
  });
  if (before == '{') out += '{';
  out += '}';
}

template <typename Type>
void append(std::string& out, const Type& value) {
  if constexpr (std::is_same_v<Type, std::string>) {
    append_bytes(out, value);
  } else if constexpr (std::is_same_v<Type, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (Worded<Type>) {
    append_bytes(out, words_of(&value).at(static_cast<std::size_t>(value)));
  } else if constexpr (kIsOneText<Type>) {
    append_bytes(out, one_text(value));
  } else if constexpr (Listed<Type>) {
    append_object(out, value);
  } else {
    append_word(out, value);
  }
}

template <typename Type>
void read(Scanner& in, Type& value);

template <typename Type>
void read(Scanner& in, std::vector<Type>& values) {
  values.clear();
  if constexpr (kIsOneText<Type>) {
    const std::string lines = in.bytes();
    for (std::string_view rest = lines; !rest.empty();) {
      values.push_back(parse_one_text<Type>(cut(rest, '\n')));
    }
  } else {
    in.expect('[');
    if (in.skip(']')) return;
    do {
      read(in, values.emplace_back());
    } while (in.skip(','));
    in.expect(']');
  }
}

template <typename Type>
void read(Scanner& in, std::optional<Type>& value) {
  read(in, value.emplace());
}

template <typename Key, typename Value>
void read(Scanner& in, std::map<Key, Value>& values) {
  const std::string text = in.bytes();
  values.clear();
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view entry = cut(rest, ' ');
    const Key key = parse_word<Key>(cut(entry, ':'));
    values[key] = parse_word<Value>(entry);
  }
}

template <Listed Type>
void read_object(Scanner& in, Type& value) {
  std::uint64_t missing = 0;
  std::uint64_t bit = 1;
  for_each_field(value, [&](std::string_view, const auto&, bool may_be_missing) {
    if (!may_be_missing) missing |= bit;
    bit <<= 1U;
  });
  in.expect('{');
  std::string_view name;
  const auto read_name = [&] {
    name = in.name();
    in.expect(':');
    return true;
  };
  bool has_more = !in.skip('}') && read_name();
  const auto advance = [&] {
    has_more = in.skip(',') && read_name();
    if (!has_more) in.expect('}');
  };
  // Members mostly come in the order of the list: then one pass through it reads them all.
  while (has_more) {
    bool is_known = false;
    bit = 1;
    for_each_field(value, [&](std::string_view known, auto& member, bool) {
      if (has_more && known == name) {
        is_known = true;
        missing &= ~bit;
        read(in, member);
        advance();
      }
      bit <<= 1U;
    });
    if (is_known) continue;
    in.value();
    advance();
  }
  if (missing != 0) refuse("a member is missing");
}

template <Worded Type>
Type parse_enum(std::string_view word) {
  const auto words = words_of(static_cast<const Type*>(nullptr));
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) return static_cast<Type>(i);
  }
  refuse(word);
}

template <typename Type>
void read(Scanner& in, Type& value) {
  if constexpr (std::is_same_v<Type, std::string>) {
    value = in.bytes();
  } else if constexpr (std::is_same_v<Type, bool>) {
    const std::string_view word = in.value();
    if (word != "true" && word != "false") refuse(word);
    value = word == "true";
  } else if constexpr (Worded<Type>) {
    value = parse_enum<Type>(in.bytes());
  } else if constexpr (kIsOneText<Type>) {
    value = parse_one_text<Type>(in.bytes());
  } else if constexpr (Listed<Type>) {
    read_object(in, value);
  } else {
    value = parse_word<Type>(in.value());
  }
}

}  // namespace json_codec

/// The value as one line of JSON. Compiled for each type that it is used with: keep that to one
/// source file a type.
template <Listed Type>
std::string write_json(const Type& value) {
  std::string out;
  json_codec::append(out, value);
  return out;
}

/// What write_json has written, by this version or another. Throws std::invalid_argument for
/// anything else.
template <Listed Type>
Type read_json(std::string_view text) {
  json_codec::Scanner in(text);
  Type value;
  json_codec::read(in, value);
  in.expect_end();
  return value;
}

/// The word of an enum's value.
template <Worded Type>
std::string_view word_of(Type value) {
  return words_of(&value).at(static_cast<std::size_t>(value));
}

}  // namespace chg
