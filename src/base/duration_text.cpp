#include "base/duration_text.h"

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

struct Unit {
  char letter;
  std::int64_t seconds;
};

// Longest first: the order in which a text may name them.
constexpr Unit kUnits[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

constexpr char kHint[] = "write a number and a unit, such as 90s, 30m, 2h, 1d, 0.5h or 1h30m";

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorKind::Usage, fmt::format("invalid duration '{}'", printable(text, 60)), kHint);
}

[[noreturn]] void refuse_length(std::string_view text) {
  throw Error(ErrorKind::Usage, fmt::format("duration '{}' is too long", printable(text, 60)),
              "the longest is 3650d");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes digits with at most one dot from the front of `rest`. Nothing else is a number here: no
// sign, no exponent, no "inf". Nor do more digits than anybody types.
double take_number(std::string_view text, std::string_view& rest) {
  std::size_t length = 0;
  std::size_t digits = 0;
  std::size_t dots = 0;
  for (; length < rest.size() && (is_digit(rest[length]) || rest[length] == '.'); ++length) {
    (rest[length] == '.' ? dots : digits)++;
  }
  if (digits == 0 || digits > 30 || dots > 1) refuse(text);
  const auto value = parse<double>(rest.substr(0, length));
  rest.remove_prefix(length);
  return value.value();
}

}  // namespace

Duration parse_duration(std::string_view text) {
  std::string_view rest = text;
  if (rest.empty()) refuse(text);
  Duration total{};
  const Unit* next = std::begin(kUnits);
  while (!rest.empty()) {
    const double number = take_number(text, rest);
    if (rest.empty()) refuse(text);
    while (next != std::end(kUnits) && next->letter != rest.front()) ++next;
    if (next == std::end(kUnits)) refuse(text);
    // Rounded part by part: the fraction of a second in "100d0.1s" doesn't fit a double.
    const double part = number * static_cast<double>(next->seconds) * 1e9;
    if (part > static_cast<double>(kDurationMax.count())) refuse_length(text);
    total += Duration(std::llround(part));
    if (total > kDurationMax) refuse_length(text);
    ++next;
    rest.remove_prefix(1);
  }
  if (total > Duration::zero()) return total;
  throw Error(ErrorKind::Usage,
              fmt::format("duration '{}' is not longer than zero", printable(text, 60)), kHint);
}

std::string to_hms(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  return fmt::format("{}h {}m {}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string to_short_text(Duration duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  const auto nanoseconds = duration.count() % 1'000'000'000;
  std::string text;
  for (const Unit& unit : kUnits) {
    if (unit.letter == 's' || seconds < unit.seconds) continue;
    text += fmt::format("{}{}", seconds / unit.seconds, unit.letter);
    seconds %= unit.seconds;
  }
  if (nanoseconds != 0) {
    const std::string fraction = fmt::format("{:09}", nanoseconds);
    const std::size_t digits = fraction.find_last_not_of('0') + 1;
    return text + fmt::format("{}.{}s", seconds, fraction.substr(0, digits));
  }
  if (seconds != 0 || text.empty()) text += fmt::format("{}s", seconds);
  return text;
}

}  // namespace chg
