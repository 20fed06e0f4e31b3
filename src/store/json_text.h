// The JSON of our own records (records.h), which is read without making a tree of it: everybody who
// waits reads the whole queue at every change, and this is what most of the time went into.
//
// Reading finds where values begin and end; what is wrong inside of those that nobody asks for is
// not noticed. It throws std::invalid_argument for what is not as asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace chg::json_text {

/// The members of an object, by name; each value is a piece of the text, which has to outlive this.
class Members {
 public:
  explicit Members(std::string_view text);

  std::optional<std::string_view> find(std::string_view name) const;
  /// Throws where there is none.
  std::string_view at(std::string_view name) const;

 private:
  std::vector<std::pair<std::string_view, std::string_view>> members_;
};

/// One member of an object; missing where there is none. What stands behind it is not looked at.
std::optional<std::string_view> find_member(std::string_view object, std::string_view name);

/// What write_bytes has written: a string, or {"hex": "…"}.
std::string read_bytes(std::string_view value);

/// An integer in the range of Number.
template <typename Number>
Number read_number(std::string_view value);

bool read_flag(std::string_view value);

/// The values of an array.
std::vector<std::string_view> read_elements(std::string_view value);

template <typename Number>
std::vector<Number> read_numbers(std::string_view value) {
  std::vector<Number> numbers;
  for (const std::string_view element : read_elements(value)) {
    numbers.push_back(read_number<Number>(element));
  }
  return numbers;
}

/// Any bytes: a string, or {"hex": "…"} where they are no UTF-8, which JSON can't hold.
nlohmann::json write_bytes(const std::string& bytes);

/// As text. Bytes that are no UTF-8 are replaced: only for what others read.
std::string to_text(const nlohmann::json& value);

}  // namespace chg::json_text
