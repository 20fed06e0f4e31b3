// Times and texts in the JSON that the Go program of the same name writes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"

namespace chg::redis_json {

/// Whole seconds since 1970, rounded down.
std::int64_t unix_seconds(WallTime time);

/// "2026-11-24T13:24:28.259536358Z", without zeros at the end of the fraction, as Go writes it.
std::string to_rfc3339_nano(WallTime time);

/// A time as the Go program reads it: seconds since 1970 as number or text, or RFC 3339 with any
/// offset. Missing for null, nonsense, and times that no clock of ours can hold (before 1678, after
/// 2261).
std::optional<WallTime> read_time(const nlohmann::json& value);

/// The member, if the value is an object that has it and it is a text; else "".
std::string text_member(const nlohmann::json& object, const char* name);

/// As read_time, of a member; missing where there is none.
std::optional<WallTime> time_member(const nlohmann::json& object, const char* name);

/// Reads an object. Throws Error(Failed), naming `key`, when the text is none.
nlohmann::json parse_object(const std::string& text, const std::string& key);

/// Throws Error(Failed): what is under `key` was written by no version of this program.
[[noreturn]] void refuse(const std::string& key);

}  // namespace chg::redis_json
