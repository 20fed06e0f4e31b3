// How JSON is printed.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace chg {

/// Keeps keys in the order of insertion, since people read it too.
using Json = nlohmann::ordered_json;

/// Indented by two, one newline at the end, ASCII alone: everything else is escaped, since a
/// terminal interprets some of it. Bytes that are not UTF-8 (of other people's processes) become
/// U+FFFD instead of an error.
inline std::string json_text(const Json& document) {
  return document.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace chg
