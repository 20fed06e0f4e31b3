// JSON in what a GPU tool printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace chg {

/// The first JSON array or object in `text`, whatever is printed before and after it, such as
/// warnings. Bytes and escapes in it that are no valid text are replaced: the name of a process may
/// hold any. nullopt when there is none, or none that is complete, or one nested deeper than 64.
std::optional<nlohmann::json> read_tool_json(std::string_view text);

/// The member `key` of an object; nullptr when `value` is no object or has no such member.
const nlohmann::json* member(const nlohmann::json* value, const char* key);

/// A text, or "" for anything else, and for words that stand for a missing value ("N/A").
std::string json_text(const nlohmann::json* value);

/// A whole number up to `max`, written as a number or as a text; nullopt for anything else.
std::optional<std::uint64_t> json_number(const nlohmann::json* value, std::uint64_t max);

/// A quantity: 5, "5", "5 W", {"value": 5, "unit": "W"}. nullopt when it is negative, no number, or
/// has another unit than `unit` ("" has none).
std::optional<double> json_quantity(const nlohmann::json* value, std::string_view unit);

/// An amount of memory in bytes, in the same forms, with the unit B, KB, MB, GB or TB, of which
/// each is 1024 of the one before; `default_unit` where there is none. nullopt for any other unit,
/// and above 2^60 bytes.
std::optional<std::uint64_t> json_bytes(const nlohmann::json* value, std::string_view default_unit);

}  // namespace chg
