// How a JSON document leaves the program.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace chg {

/// Keys in the order in which they were put: people read it too.
using Json = nlohmann::ordered_json;

/// Indented by two, one newline at the end, ASCII alone: everything else is escaped, since a
/// terminal takes some of it for commands. Bytes that are no UTF-8 become U+FFFD; they come from
/// other people's processes and must not make the document unreadable.
inline std::string json_text(const Json& document) {
  return document.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace chg
