#include "probe/tool_json.h"

#include <cmath>
#include <sstream>
#include <utility>

#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 64;
// Lines of a tool's own that begin with a bracket are few; each costs an attempt.
constexpr int kAttemptsMax = 32;

bool is_surrogate_escape(std::string_view text) {
  return text.size() >= 6 && text[0] == '\\' && text[1] == 'u' &&
         (text[2] == 'd' || text[2] == 'D') &&
         std::string_view("89abcdefABCDEF").find(text[3]) != std::string_view::npos;
}

// Tools escape what is no ASCII. What isn't escaped may be anything, and half a surrogate pair is
// what Python makes of a byte that is no text: the parser accepts neither.
std::string acceptable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_surrogate_escape(text.substr(i))) {
      result += '?';
      i += 5;
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      result += text[i++];
      result += static_cast<unsigned char>(text[i]) < 0x80 ? text[i] : '?';
    } else {
      result += static_cast<unsigned char>(text[i]) < 0x80 ? text[i] : '?';
    }
  }
  return result;
}

bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool is_in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      is_in_string = !is_in_string;
    } else if (!is_in_string && (c == '[' || c == '{')) {
      if (++depth > kDepthMax) return true;
    } else if (!is_in_string && (c == ']' || c == '}')) {
      if (--depth == 0) return false;
    }
  }
  return false;
}

std::optional<json> parse_beginning(const std::string& text) {
  if (is_too_deep(text)) return std::nullopt;
  try {
    std::istringstream stream(text);
    json value;
    stream >> value;
    return value;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

// Whether only blanks stand between `position` and the beginning of its line.
bool begins_line(std::string_view text, std::size_t position) {
  const std::size_t before = text.find_last_not_of(" \t\r", position == 0 ? 0 : position - 1);
  return position == 0 || before == std::string_view::npos || text[before] == '\n';
}

struct Quantity {
  double value = 0;
  std::string unit;
};

std::optional<Quantity> quantity_of_text(std::string_view text) {
  text = trimmed(text);
  const auto value = cut_number<double>(text);
  if (!value || !std::isfinite(*value) || *value < 0) return std::nullopt;
  return Quantity{*value, std::string(trimmed(text))};
}

std::optional<Quantity> quantity(const json* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) {
    std::optional<Quantity> result = quantity(member(value, "value"));
    if (result && result->unit.empty()) result->unit = json_text(member(value, "unit"));
    return result;
  }
  if (value->is_string()) return quantity_of_text(value->get_ref<const std::string&>());
  if (!value->is_number()) return std::nullopt;
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < 0) return std::nullopt;
  return Quantity{number, ""};
}

// "B", "KB", "KiB" … in either case; each is 1024 of the one before.
std::optional<double> bytes_of_unit(std::string_view unit) {
  std::string name = lower_case(unit);
  if (name.ends_with("ib")) name.erase(name.size() - 2, 1);
  double bytes = 1;
  for (const char* const known : {"b", "kb", "mb", "gb", "tb"}) {
    if (name == known) return bytes;
    bytes *= 1024;
  }
  return std::nullopt;
}

}  // namespace

std::optional<json> read_tool_json(std::string_view text) {
  const std::string whole = acceptable(text);
  int attempts = 0;
  std::size_t position = whole.find_first_of("[{");
  const std::size_t first = position;
  for (; position != std::string::npos && attempts < kAttemptsMax;
       position = whole.find_first_of("[{", whole.find('\n', position))) {
    if (!begins_line(whole, position)) continue;
    ++attempts;
    if (auto value = parse_beginning(whole.substr(position))) return value;
  }
  return first == std::string::npos ? std::nullopt : parse_beginning(whole.substr(first));
}

const json* member(const json* value, const char* key) {
  if (value == nullptr || !value->is_object()) return nullptr;
  const auto found = value->find(key);
  return found == value->end() ? nullptr : &*found;
}

std::string json_text(const json* value) {
  if (value == nullptr || !value->is_string()) return {};
  const auto& text = value->get_ref<const std::string&>();
  const std::string word = lower_case(trimmed(text));
  if (word == "n/a" || word == "unknown" || word == "none") return {};
  return std::string(trimmed(text));
}

std::optional<std::uint64_t> json_number(const json* value, std::uint64_t max) {
  if (value == nullptr) return std::nullopt;
  std::optional<std::uint64_t> number;
  if (value->is_string()) {
    number = parse<std::uint64_t>(trimmed(value->get_ref<const std::string&>()));
  } else if (value->is_number_integer() && *value >= 0) {
    number = value->get<std::uint64_t>();
  }
  return number && *number <= max ? number : std::nullopt;
}

std::optional<double> json_quantity(const json* value, std::string_view unit) {
  const std::optional<Quantity> found = quantity(value);
  if (!found || (!found->unit.empty() && found->unit != unit)) return std::nullopt;
  return found->value;
}

std::optional<std::uint64_t> json_bytes(const json* value, std::string_view default_unit) {
  const std::optional<Quantity> found = quantity(value);
  if (!found) return std::nullopt;
  const auto unit = bytes_of_unit(found->unit.empty() ? default_unit : found->unit);
  constexpr double kMemoryBytesMax = 1152921504606846976.0;
  if (!unit || found->value * *unit > kMemoryBytesMax) return std::nullopt;
  return static_cast<std::uint64_t>(found->value * *unit);
}

}  // namespace chg
