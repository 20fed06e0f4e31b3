// Values: as they are written, and as they are meant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "config/keys.h"

namespace chg {

/// Who set a value, weakest first.
enum class Source { Default, SystemFile, UserFile, Environment, Flag };

/// Where a value comes from. `text` says it to people, as it was given, so print it with
/// printable(): "default", "/home/x/.canhazgpu.yaml:3", "CANHAZGPU_RUN_TIMEOUT", "--timeout".
struct Origin {
  Source source = Source::Default;
  std::string text = "default";
};

/// A list with lists or sections in it: no key takes one.
struct NestedList {};

/// What is written for a key: nothing (YAML's `key:`, JSON's null), one text, or several.
using RawValue = std::variant<std::monostate, std::string, std::vector<std::string>, NestedList>;

/// What it means: nothing; Text, Path, Store, Choice; Number; Bool; Duration; List; GpuIds.
using Value = std::variant<std::monostate, std::string, std::int64_t, bool, Duration,
                           std::vector<std::string>, std::vector<int>>;

/// Reads a value of the key's type. Throws Error(Usage), which names the key, the value, its origin
/// and what was expected. Nothing is not a value: callers leave such a key alone.
Value parse_value(const Key& key, const RawValue& raw, const Origin& origin);

/// "a, b" as a list; without empty items, and blanks around them.
std::vector<std::string> list_items(std::string_view text);

/// The value as it may be shown to anybody: as to_text, but secrets are "…", and the URL of a store
/// is shown without password. Not made printable.
std::string to_public_text(const Key& key, const Value& value);

/// The value as a text that would be read as the same value, in one form: "1h30m", "true", "0,2,3".
/// Not made printable. Nothing becomes "".
std::string to_text(const Value& value);

}  // namespace chg
