#include <algorithm>
#include <cstddef>
#include <sstream>
#include <stdexcept>

// The library asserts that a table's name begins as one, and in a release takes it for granted: a
// file in which it doesn't ("[}") would end the program, or worse. Here it is refused.
#undef NDEBUG
namespace chg {
constexpr void require_toml(bool holds) {
  if (!holds) throw std::logic_error("not as it should be");
}
}  // namespace chg
#define TOML_ASSERT(expression) chg::require_toml(static_cast<bool>(expression))

// The library is in its headers; Debian's other form of it is a shared object, and the program is
// one file.
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "config/formats.h"

namespace chg {
namespace {

// The library bounds the depth of values but not of dotted keys, and frees the tables that they
// make one inside the other: a key with ten thousand dots would end the program. In a comment they
// are free.
void check_dots(const std::string& text, EntryCollector& collector) {
  constexpr std::ptrdiff_t kDotsMax = 1000;
  std::ptrdiff_t dots = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '#') continue;
    dots += std::count(line.begin(), line.end(), '.');
  }
  if (dots > kDotsMax) collector.refuse(0, "more dots than any configuration has");
}

int line_of(const toml::source_region& source) { return static_cast<int>(source.begin.line); }

void tell(const toml::node& node, EntryCollector& collector);

void tell_table(const toml::table& table, EntryCollector& collector) {
  collector.open_section(line_of(table.source()));
  for (const auto& [key, node] : table) {
    collector.key(key.str(), line_of(key.source()));
    tell(node, collector);
  }
  collector.close_section();
}

void tell_list(const toml::array& array, EntryCollector& collector) {
  collector.open_list(line_of(array.source()));
  for (const toml::node& item : array) tell(item, collector);
  collector.close_list();
}

// The collector ends this before it gets deep.
void tell(const toml::node& node, EntryCollector& collector) {
  node.visit([&](const auto& value) {
    using Node = std::remove_cvref_t<decltype(value)>;
    if constexpr (toml::is_table<Node>) {
      tell_table(value, collector);
    } else if constexpr (toml::is_array<Node>) {
      tell_list(value, collector);
    } else if constexpr (toml::is_string<Node>) {
      collector.text(value.get(), line_of(value.source()));
    } else if constexpr (toml::is_boolean<Node>) {
      collector.text(value.get() ? "true" : "false", line_of(value.source()));
    } else {
      std::ostringstream text;
      text << value.get();
      collector.text(text.str(), line_of(value.source()));
    }
  });
}

}  // namespace

void read_toml(const std::string& text, EntryCollector& collector) {
  check_dots(text, collector);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    collector.refuse(line_of(error.source()), error.description());
  } catch (const std::logic_error& error) {
    collector.refuse(0, error.what());
  }
  tell_table(table, collector);
}

}  // namespace chg
