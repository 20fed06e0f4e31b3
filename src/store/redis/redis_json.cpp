#include "store/redis/redis_json.h"

#include <charconv>
#include <cmath>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace chg::redis_json {
namespace {

using nlohmann::json;

// What fits into 64 bits of nanoseconds, with a little to spare.
constexpr double kSecondsMax = 9.2e9;

std::optional<WallTime> from_seconds(double seconds) {
  if (!(std::abs(seconds) < kSecondsMax)) return std::nullopt;
  const double whole = std::floor(seconds);
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(whole)) +
                  std::chrono::nanoseconds(static_cast<std::int64_t>((seconds - whole) * 1e9)));
}

// Reads RFC 3339, one part after another; `ok` tells whether all were there.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  std::optional<WallTime> read() {
    std::tm fields{};
    fields.tm_year = number(4) - 1900;
    expect("-");
    fields.tm_mon = number(2) - 1;
    expect("-");
    fields.tm_mday = number(2);
    expect("Tt ");
    fields.tm_hour = number(2);
    expect(":");
    fields.tm_min = number(2);
    expect(":");
    fields.tm_sec = number(2);
    const std::int64_t nanoseconds = fraction();
    const int offset = offset_seconds();
    if (!ok_ || !rest_.empty() || fields.tm_year < 1678 - 1900 || fields.tm_year > 2261 - 1900) {
      return std::nullopt;
    }
    return WallTime(std::chrono::seconds(timegm(&fields) - offset) +
                    std::chrono::nanoseconds(nanoseconds));
  }

 private:
  int number(std::size_t digits) {
    int value = 0;
    const std::string_view text = rest_.substr(0, digits);
    const bool all_digits = text.find_first_not_of("0123456789") == std::string_view::npos;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.size() != digits || !all_digits || status != std::errc()) ok_ = false;
    rest_.remove_prefix(text.size());
    return value;
  }

  char take() {
    if (rest_.empty()) {
      ok_ = false;
      return 0;
    }
    const char first = rest_.front();
    rest_.remove_prefix(1);
    return first;
  }

  void expect(std::string_view any_of) {
    if (any_of.find(take()) == std::string_view::npos) ok_ = false;
  }

  std::int64_t fraction() {
    if (!rest_.starts_with('.')) return 0;
    rest_.remove_prefix(1);
    std::int64_t value = 0;
    std::int64_t unit = 100'000'000;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value += (rest_.front() - '0') * unit;
      unit /= 10;
      rest_.remove_prefix(1);
    }
    return value;
  }

  int offset_seconds() {
    const char sign = take();
    if (sign == 'Z' || sign == 'z') return 0;
    if (sign != '+' && sign != '-') ok_ = false;
    const int hours = number(2);
    expect(":");
    const int minutes = number(2);
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string to_rfc3339_nano(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(seconds));
  if (const auto nanoseconds = (time - seconds).count(); nanoseconds != 0) {
    text += fmt::format(".{:09}", nanoseconds);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "Z";
}

std::optional<WallTime> read_time(const json& value) {
  if (value.is_number_integer() && !value.is_number_unsigned()) {
    return from_seconds(static_cast<double>(value.get<std::int64_t>()));
  }
  if (value.is_number()) return from_seconds(value.get<double>());
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  double seconds = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (status == std::errc() && end == text.data() + text.size()) return from_seconds(seconds);
  return TimeReader(text).read();
}

std::string text_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<WallTime> time_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? std::nullopt : read_time(*found);
}

json parse_object(const std::string& text, const std::string& key) {
  json value = json::parse(text, nullptr, false);
  if (!value.is_object()) refuse(key);
  return value;
}

void refuse(const std::string& key) {
  throw Error(ErrorKind::Failed,
              fmt::format("the store is damaged: nothing that canhazgpu writes is in '{}'",
                          printable(key, 100)),
              "see it with redis-cli; delete that key, or give the pool keys of its own "
              "(redis.prefix)");
}

}  // namespace chg::redis_json
