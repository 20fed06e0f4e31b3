#include "config/config.h"

#include <algorithm>
#include <stdexcept>

namespace chg {
namespace {

// The value as a T, or nothing where it has none.
template <typename T>
std::optional<T> get(const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
  return std::get<T>(value);
}

std::size_t place_of(std::string_view key) {
  const std::optional<std::size_t> place = find_key(key);
  if (!place) throw std::logic_error("no such key: " + std::string(key));
  return *place;
}

}  // namespace

const Config::Setting& Config::setting(std::string_view key,
                                       std::initializer_list<KeyType> types) const {
  const std::size_t place = place_of(key);
  if (std::find(types.begin(), types.end(), keys()[place].type) == types.end()) {
    throw std::logic_error("key asked for as another type than its own: " + std::string(key));
  }
  return settings_[place];
}

std::optional<std::string> Config::text(std::string_view key) const {
  using enum KeyType;
  return get<std::string>(setting(key, {Text, Path, Store, Choice, Signal}).value);
}

std::int64_t Config::number(std::string_view key) const {
  return get<std::int64_t>(setting(key, {KeyType::Number}).value).value();
}

std::optional<Duration> Config::duration(std::string_view key) const {
  return get<Duration>(setting(key, {KeyType::TimeSpan}).value);
}

bool Config::flag(std::string_view key) const {
  return get<bool>(setting(key, {KeyType::Bool}).value).value();
}

std::vector<std::string> Config::list(std::string_view key) const {
  const Value& value = setting(key, {KeyType::List}).value;
  return get<std::vector<std::string>>(value).value_or(std::vector<std::string>());
}

std::optional<std::vector<int>> Config::gpu_ids(std::string_view key) const {
  return get<std::vector<int>>(setting(key, {KeyType::GpuIds}).value);
}

const Origin& Config::origin(std::string_view key) const { return settings_[place_of(key)].origin; }

View Config::view() const {
  const auto mib = [&](std::string_view key) {
    const auto number = get<std::int64_t>(setting(key, {KeyType::Number}).value);
    return number ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
  };
  return {mib("memory.process_threshold"), mib("memory.threshold"),
          get<std::vector<std::string>>(setting("ignore_processes", {KeyType::List}).value)};
}

Leftovers Config::leftovers() const {
  const std::optional<std::string> word = text("run.leftovers");
  if (word == "kill") return Leftovers::Kill;
  return word == "release" ? Leftovers::Release : Leftovers::Keep;
}

std::vector<EffectiveValue> Config::effective() const {
  std::vector<EffectiveValue> lines;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const auto& [value, origin] = settings_[i];
    const bool has_value = !std::holds_alternative<std::monostate>(value);
    lines.push_back({std::string(keys()[i].name),
                     has_value ? std::optional(to_public_text(keys()[i], value)) : std::nullopt,
                     origin.text});
  }
  return lines;
}

}  // namespace chg
