#include "config/value.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/number.h"
#include "base/text.h"
#include "core/gpu_ids.h"

namespace chg {
namespace {

constexpr std::string_view kSqliteScheme = "sqlite:";

bool is_from_file(const Origin& origin) {
  return origin.source == Source::SystemFile || origin.source == Source::UserFile;
}

// A relative path is meant for the directory in which it was typed. A file is read in all of them,
// and would mean another file in each. Nobody expands "~" here, and no file is called so.
bool is_good_path(std::string_view path, const Origin& origin) {
  if (path.empty() || path.front() == '~') return false;
  return path.front() == '/' || !is_from_file(origin);
}

// The address itself is read by those who connect.
bool is_redis(std::string_view text) {
  const std::string_view scheme = text.substr(0, text.find("://"));
  return scheme.size() < text.size() && (scheme == "redis" || scheme == "redis+unix" ||
                                         scheme == "unix" || scheme == "redis-sentinel");
}

Value read_store(const std::string& text, const Origin& origin) {
  if (is_redis(text)) return text;
  if (!text.starts_with(kSqliteScheme)) return {};
  const bool good = is_good_path(std::string_view(text).substr(kSqliteScheme.size()), origin);
  return good ? Value(text) : Value();
}

Value read_number(const Key& key, std::string_view text) {
  const auto number = parse<std::int64_t>(text);
  return number && *number >= key.min && *number <= key.max ? Value(*number) : Value();
}

Value read_bool(std::string_view text) {
  const std::string word = lower_case(text);
  if (word == "true" || word == "yes" || word == "on" || word == "1") return true;
  if (word == "false" || word == "no" || word == "off" || word == "0") return false;
  return {};
}

// In one form: "TERM".
Value read_signal(const Key& key, const std::string& text) {
  const std::string written = lower_case(text);
  for (const std::string_view word : key.words) {
    const std::string name = lower_case(word);
    if (written == name || written == "sig" + name) return std::string(word);
  }
  return {};
}

template <typename Read>
Value read_or_nothing(Read read) {
  try {
    return read();
  } catch (const Error&) {
    return {};
  }
}

// Nothing where `text` is no value of the key.
Value read_text(const Key& key, const std::string& text, const Origin& origin) {
  if (text.find('\0') != std::string::npos) return {};
  switch (key.type) {
    case KeyType::Text:
      return text;
    case KeyType::Path:
      return is_good_path(text, origin) ? Value(text) : Value();
    case KeyType::Store:
      return read_store(text, origin);
    case KeyType::Number:
      return read_number(key, text);
    case KeyType::Bool:
      return read_bool(text);
    case KeyType::List:
      return list_items(text);
    case KeyType::TimeSpan:
      if (key.takes_zero && (text == "0" || text == "0s")) return Duration::zero();
      return read_or_nothing([&] { return parse_duration(text); });
    case KeyType::GpuIds:
      return read_or_nothing([&] { return parse_gpu_ids(text); });
    case KeyType::Signal:
      return read_signal(key, text);
    case KeyType::Choice: {
      const bool known = std::find(key.words.begin(), key.words.end(), text) != key.words.end();
      return known ? Value(text) : Value();
    }
  }
  return {};
}

Value read_texts(const Key& key, const std::vector<std::string>& texts, const Origin& origin) {
  if (key.type == KeyType::GpuIds) {
    return read_text(key, fmt::to_string(fmt::join(texts, ",")), origin);
  }
  const bool good = std::none_of(texts.begin(), texts.end(), [](const std::string& text) {
    return text.empty() || text.find('\0') != std::string::npos;
  });
  return key.type == KeyType::List && good ? Value(texts) : Value();
}

std::string expectation(const Key& key, const Origin& origin) {
  const std::string_view path = is_from_file(origin) ? "an absolute path" : "a path";
  switch (key.type) {
    case KeyType::Text:
      return "expected a text";
    case KeyType::Path:
      return fmt::format("expected {}", path);
    case KeyType::Store:
      return fmt::format("expected sqlite: and {}, or redis://HOST:PORT/DB", path);
    case KeyType::Number:
      return fmt::format("expected a whole number from {} to {}", key.min, key.max);
    case KeyType::Bool:
      return "expected true or false";
    case KeyType::List:
      return "expected names, separated by commas or in a list";
    case KeyType::TimeSpan:
      return fmt::format(
          "expected {}a duration longer than zero and up to {}, such as 90s, 30m, "
          "2h, 1d, 0.5h or 1h30m",
          key.takes_zero ? "0, or " : "", to_short_text(kDurationMax));
    case KeyType::GpuIds:
      return "expected the ids of GPUs, each once, such as 1,3 or 0-3";
    case KeyType::Signal:
    case KeyType::Choice:
      return fmt::format("expected one of {}", fmt::join(key.words, ", "));
  }
  return "";
}

// What is known of the reason, beyond that it isn't what was expected.
std::string reason(const Key& key, const RawValue& raw) {
  if (std::holds_alternative<NestedList>(raw)) return "found lists or sections in a list, ";
  if (!std::holds_alternative<std::string>(raw)) return "found a list, ";
  const auto& text = std::get<std::string>(raw);
  if (key.type == KeyType::Store && lower_case(text).starts_with("rediss")) {
    return "TLS is not available in this version, ";
  }
  return "";
}

std::string shown(const Key& key, const RawValue& raw) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&raw)) {
    return printable(fmt::format("[{}]", fmt::join(*texts, ", ")));
  }
  if (!std::holds_alternative<std::string>(raw)) return "[…]";
  const auto& text = std::get<std::string>(raw);
  if (key.is_secret) return "…";
  // What follows the scheme of another store's address may hold a password.
  const std::size_t scheme_end = text.find("://");
  if (key.type == KeyType::Store && scheme_end != std::string::npos) {
    return printable(text.substr(0, scheme_end)) + "://…";
  }
  return printable(text);
}

struct ToText {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(std::int64_t number) const { return fmt::to_string(number); }
  std::string operator()(bool yes) const { return yes ? "true" : "false"; }
  std::string operator()(Duration duration) const { return to_short_text(duration); }
  std::string operator()(const std::vector<std::string>& items) const {
    return fmt::to_string(fmt::join(items, ","));
  }
  std::string operator()(const std::vector<int>& ids) const { return to_id_list(ids); }
};

}  // namespace

std::vector<std::string> list_items(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::string_view item = trimmed(cut(text, ','));
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

Value parse_value(const Key& key, const RawValue& raw, const Origin& origin) {
  Value value;
  if (const auto* text = std::get_if<std::string>(&raw)) value = read_text(key, *text, origin);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&raw)) {
    value = read_texts(key, *texts, origin);
  }
  if (!std::holds_alternative<std::monostate>(value)) return value;
  throw Error(ErrorKind::Usage,
              fmt::format("invalid {} '{}' (from {}): {}{}", key.name, shown(key, raw), origin.text,
                          reason(key, raw), expectation(key, origin)));
}

std::string to_public_text(const Key& key, const Value& value) {
  std::string text = to_text(value);
  if (key.is_secret && !text.empty()) return "…";
  const std::size_t begin = text.find("://");
  const std::size_t at = text.rfind('@');
  const bool has_credentials = begin != std::string::npos && at != std::string::npos && at > begin;
  if (key.type != KeyType::Store || !has_credentials) return text;
  const std::size_t colon = text.find(':', begin + 3);
  return colon < at ? text.replace(colon, at - colon, ":…") : text;
}

std::string to_text(const Value& value) { return std::visit(ToText{}, value); }

}  // namespace chg
