// Listed types (base/fields.h) as bytes, for a process of the same version of this program: no
// format has to be agreed on.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/fields.h"

namespace chg {

class Packer {
 public:
  const std::string& bytes() const { return bytes_; }

  template <typename... Values>
  void operator()(const Values&... values) {
    (put(values), ...);
  }

 private:
  void put(const std::string& text) {
    put(text.size());
    bytes_ += text;
  }
  template <typename Value>
  void put(const std::optional<Value>& value) {
    put(static_cast<std::uint8_t>(value.has_value()));
    if (value) put(*value);
  }
  template <typename Value>
  void put(const std::vector<Value>& values) {
    put(values.size());
    for (const Value& value : values) put(value);
  }
  template <typename Key, typename Value>
  void put(const std::map<Key, Value>& values) {
    put(values.size());
    for (const auto& [key, value] : values) {
      put(key);
      put(value);
    }
  }
  template <typename Value>
  void put(const Value& value) {
    if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value>) {
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      for_each_field(value, [&](std::string_view, const auto& member, bool) { put(member); });
    }
  }
  template <typename Clock>
  void put(const std::chrono::time_point<Clock, std::chrono::nanoseconds>& time) {
    put(time.time_since_epoch().count());
  }
  void put(const std::chrono::nanoseconds& duration) { put(duration.count()); }

  std::string bytes_;
};

/// Takes out what a Packer has put in, in the same order. Throws Error where the bytes can't be
/// that: a library may have written over them.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  bool is_at_end() const { return rest_.empty(); }

  void expect_end() const {
    if (!rest_.empty()) refuse();
  }

  template <typename... Values>
  void operator()(Values&... values) {
    (take(values), ...);
  }

 private:
  std::string_view cut(std::size_t size) {
    if (size > rest_.size()) refuse();
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  [[noreturn]] static void refuse() {
    throw Error(ErrorKind::Failed, "what it has written down is damaged");
  }

  std::size_t take_count() {
    std::size_t count = 0;
    take(count);
    if (count > rest_.size()) refuse();  // each needs a byte at least
    return count;
  }
  void take(std::string& text) { text = cut(take_count()); }
  template <typename Value>
  void take(std::optional<Value>& value) {
    std::uint8_t has_value = 0;
    take(has_value);
    if (has_value > 1) refuse();
    value.reset();
    if (has_value == 1) take(value.emplace());
  }
  template <typename Value>
  void take(std::vector<Value>& values) {
    const std::size_t count = take_count();
    values.clear();
    for (std::size_t i = 0; i < count; ++i) take(values.emplace_back());
  }
  template <typename Key, typename Value>
  void take(std::map<Key, Value>& values) {
    const std::size_t count = take_count();
    values.clear();
    for (std::size_t i = 0; i < count; ++i) {
      Key key{};
      take(key);
      take(values[key]);
    }
  }
  template <typename Value>
  void take(Value& value) {
    if constexpr (std::is_same_v<Value, bool>) {
      std::uint8_t byte = 0;
      take(byte);
      if (byte > 1) refuse();
      value = byte == 1;
    } else if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value>) {
      std::memcpy(&value, cut(sizeof value).data(), sizeof value);
      if constexpr (std::is_enum_v<Value>) {
        const auto number = static_cast<std::underlying_type_t<Value>>(value);
        if (number < 0 || static_cast<std::size_t>(number) >= words_of(&value).size()) refuse();
      }
    } else {
      for_each_field(value, [&](std::string_view, auto& member, bool) { take(member); });
    }
  }
  template <typename Clock>
  void take(std::chrono::time_point<Clock, std::chrono::nanoseconds>& time) {
    std::chrono::nanoseconds since_epoch{};
    take(since_epoch);
    time = std::chrono::time_point<Clock, std::chrono::nanoseconds>(since_epoch);
  }
  void take(std::chrono::nanoseconds& duration) {
    std::int64_t count = 0;
    take(count);
    duration = std::chrono::nanoseconds(count);
  }

  std::string_view rest_;
};

}  // namespace chg
