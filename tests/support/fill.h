// Values for the fields of any listed type (base/fields.h), each different from the others and from
// an empty one.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/fields.h"

namespace chg {

/// Gives out numbers: 1, 2, 3 …
struct Filler {
  int last = 0;

  void operator()(std::string& text) { text = "text-" + std::to_string(++last); }
  void operator()(bool& flag) { flag = true; }
  void operator()(std::chrono::nanoseconds& time) { time = std::chrono::nanoseconds(++last); }
  template <typename Clock>
  void operator()(std::chrono::time_point<Clock, std::chrono::nanoseconds>& time) {
    time =
        std::chrono::time_point<Clock, std::chrono::nanoseconds>(std::chrono::nanoseconds(++last));
  }
  template <typename Value>
  void operator()(std::optional<Value>& value) {
    (*this)(value.emplace());
  }
  template <typename Value>
  void operator()(std::vector<Value>& values) {
    values.resize(2);
    for (Value& value : values) (*this)(value);
  }
  template <typename Key, typename Value>
  void operator()(std::map<Key, Value>& values) {
    for (int i = 0; i < 2; ++i) (*this)(values[static_cast<Key>(++last)]);
  }
  template <typename Value>
  void operator()(Value& value) {
    if constexpr (Listed<Value>) {
      for_each_field(value, [&](std::string_view, auto& member, bool) { (*this)(member); });
    } else if constexpr (std::is_enum_v<Value>) {
      value = value == static_cast<Value>(1) ? static_cast<Value>(0) : static_cast<Value>(1);
    } else {
      value = static_cast<Value>(++last);
    }
  }
};

/// A value of which every field is filled.
template <typename Type>
Type filled() {
  Type value;
  Filler()(value);
  return value;
}

}  // namespace chg
