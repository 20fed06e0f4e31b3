// How a configuration comes about: the weakest source first, and each one over those before it.
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "config/config.h"
#include "config/file.h"
#include "config/policy_keys.h"
#include "core/process_identity.h"

namespace chg {
namespace {

bool is_absolute(std::string_view path) { return path.starts_with('/'); }

std::vector<std::string> user_stems(const ConfigInputs& inputs) {
  std::vector<std::string> stems;
  if (is_absolute(inputs.home)) stems.push_back(inputs.home + "/.canhazgpu");
  if (is_absolute(inputs.xdg_config_home)) {
    stems.push_back(inputs.xdg_config_home + "/canhazgpu/config");
  } else if (is_absolute(inputs.home)) {
    stems.push_back(inputs.home + "/.config/canhazgpu/config");
  }
  return stems;
}

// The key whose value was expected where a section "run.timeout" was found, as in "run.timeout.x".
const Key* key_above(std::string_view name) {
  for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
    const auto place = find_key(name.substr(0, dot));
    // "probe" is a key and a section: "probe.x" is a misspelt key of that section.
    if (place && !is_section(name.substr(0, dot))) return &keys()[*place];
  }
  return nullptr;
}

std::string_view first_key_of(std::string_view section) {
  for (const Key& key : keys()) {
    if (key.name.starts_with(std::string(section) + ".")) return key.name;
  }
  return "";
}

// What to add to a message about an unknown word. `prefix` is what all words lack.
std::string suggestion(std::string_view word, const std::vector<std::string>& known,
                       std::string_view prefix) {
  // Comparing takes time with the length, and nobody means a key by a word as long as that.
  constexpr std::size_t kWordMax = 64;
  if (word.size() > kWordMax) return "";
  const std::string meant = nearest(word, known);
  return meant.empty() ? "" : fmt::format("; did you mean '{}{}'?", prefix, meant);
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const Key& key : keys()) names.emplace_back(key.name);
  return names;
}

}  // namespace

class ConfigLoader {
 public:
  explicit ConfigLoader(std::string command) : command_(std::move(command)) {
    config_.settings_.resize(keys().size());
    for (std::size_t place = 0; place < keys().size(); ++place) {
      const auto& text = keys()[place].default_text;
      if (text) set(place, *text, Origin());
    }
  }

  void add_file(const std::string& path, Source source, const TrustedOwner& is_trusted);
  void add_environment(const std::map<std::string, std::string>& environment);
  void add_flags(const std::vector<ConfigFlag>& flags);

  std::vector<std::string>& warnings() { return config_.warnings_; }

  Config take() { return std::move(config_); }

 private:
  void set(std::size_t place, const RawValue& raw, Origin origin) {
    const Key& key = keys()[place];
    Value value;
    if (!is_empty_duration(key, raw)) {
      value = parse_value(key, raw, origin);
    } else if (key.default_text) {
      value = parse_value(key, *key.default_text, origin);
    }
    config_.settings_[place] = {std::move(value), std::move(origin)};
  }
  // "" for a duration is none, or the default, as people write it who want neither.
  static bool is_empty_duration(const Key& key, const RawValue& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    return key.type == KeyType::TimeSpan && text != nullptr && text->empty();
  }
  bool concerns_another_command(std::string_view key) const {
    const std::string_view command = command_of(key);
    return !command_.empty() && !command.empty() && command != command_;
  }
  void add_entry(const FileEntry& entry, Origin origin);
  // Warns, or refuses what is no key but can only be meant for one.
  void judge_unknown_key(const FileEntry& entry, const Origin& origin);
  void warn_about_variable(const std::string& name, const std::string& value);
  void warn_about_policy(const std::string& key, const std::string& value, const Origin& origin);

  std::string command_;
  Config config_;
};

void ConfigLoader::add_file(const std::string& path, Source source,
                            const TrustedOwner& is_trusted) {
  std::map<std::string, int> lines;
  for (FileEntry& entry : read_config_file(path, is_trusted)) {
    const std::string place = entry.line > 0 ? fmt::format("{}:{}", path, entry.line) : path;
    std::string key = with_underscores(entry.key);
    const auto [first, is_new] = lines.emplace(key, entry.line);
    if (!is_new) {
      throw Error(ErrorKind::Failed,
                  fmt::format("cannot understand '{}': '{}' is set twice, first in line {}", place,
                              printable(entry.key), first->second),
                  "keep one of the two");
    }
    entry.key = std::move(key);
    if (concerns_another_command(entry.key)) continue;
    add_entry(entry, {source, place});
  }
}

void ConfigLoader::add_entry(const FileEntry& entry, Origin origin) {
  const bool is_nothing = std::holds_alternative<std::monostate>(entry.value);
  const std::optional<std::size_t> place = find_key(entry.key);
  if (!place) {
    // A section that is empty, or whose lines are all comments, is no mistake.
    if (!is_nothing || !is_section(entry.key)) judge_unknown_key(entry, origin);
  } else if (!is_nothing) {
    set(*place, entry.value, std::move(origin));
  }
}

void ConfigLoader::judge_unknown_key(const FileEntry& entry, const Origin& origin) {
  if (is_foreign(entry.key)) return;
  if (is_policy_key(entry.key)) {
    const auto* text = std::get_if<std::string>(&entry.value);
    return warn_about_policy(entry.key, text == nullptr ? "VALUE" : *text, origin);
  }
  const std::string key = printable(entry.key);
  const std::string from = origin.text;
  if (is_section(entry.key)) {
    throw Error(ErrorKind::Usage,
                fmt::format("invalid {} (from {}): expected a section, found a value", key, from),
                fmt::format("{} has keys of its own, such as {}", key, first_key_of(key)));
  }
  if (const Key* above = key_above(entry.key)) {
    throw Error(ErrorKind::Usage,
                fmt::format("invalid {} (from {}): expected a value, found a section with '{}'",
                            above->name, from, key));
  }
  warnings().push_back(fmt::format("unknown key '{}' (from {}){}", key, from,
                                   suggestion(entry.key, key_names(), "")));
}

void ConfigLoader::add_environment(const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment) {
    // The program itself sets kReservationVariable, for the commands that it runs.
    if (!name.starts_with(kEnvironmentPrefix) || name == kReservationVariable) continue;
    const auto place = find_key_of_variable(name);
    if (!place) {
      warn_about_variable(name, value);
    } else if (!value.empty() && !concerns_another_command(keys()[*place].name)) {
      set(*place, value, Origin{Source::Environment, name});
    }
  }
}

// What decides for everybody is in the pool.
void ConfigLoader::warn_about_policy(const std::string& key, const std::string& value,
                                     const Origin& origin) {
  warnings().push_back(
      fmt::format("{} (from {}) has no effect: it belongs to the pool's policy; see 'canhazgpu "
                  "policy', and set it with: sudo canhazgpu policy set {}",
                  key, origin.text, shell_word(key + "=" + value)));
}

void ConfigLoader::warn_about_variable(const std::string& name, const std::string& value) {
  if (name.starts_with("CANHAZGPU_WEB_")) return;  // of the Go program, see is_foreign
  for (const Key& key : policy_keys()) {
    if (environment_name(key.name) != name) continue;
    return warn_about_policy(std::string(key.name), value, {Source::Environment, name});
  }
  // Compared without the prefix: all share it, and it would make strangers look alike.
  const std::string word = name.substr(kEnvironmentPrefix.size());
  std::vector<std::string> words;
  for (const Key& key : keys()) {
    words.push_back(environment_name(key.name).substr(kEnvironmentPrefix.size()));
  }
  warnings().push_back(fmt::format("unknown variable '{}'{}", printable(name),
                                   suggestion(word, words, kEnvironmentPrefix)));
}

void ConfigLoader::add_flags(const std::vector<ConfigFlag>& flags) {
  for (const auto& [key, value, origin] : flags) {
    const std::optional<std::size_t> place = find_key(key);
    if (!place) throw std::logic_error("no such key: " + key);
    set(*place, value, Origin{Source::Flag, origin});
  }
}

Config load_config(const ConfigInputs& inputs) {
  ConfigLoader loader(inputs.command);
  const TrustedOwner own = [&](std::uint32_t uid) { return uid == 0 || uid == inputs.uid; };
  const auto system_file =
      find_config_file({inputs.system_directory + "/config"}, {}, loader.warnings());
  if (system_file) loader.add_file(*system_file, Source::SystemFile, {});
  if (inputs.file) {
    loader.add_file(*inputs.file, Source::UserFile, {});
  } else if (const auto file = find_config_file(user_stems(inputs), own, loader.warnings())) {
    loader.add_file(*file, Source::UserFile, own);
  }
  loader.add_environment(inputs.environment);
  loader.add_flags(inputs.flags);
  return loader.take();
}

std::map<std::string, std::string> read_environment(const char* const* environment) {
  std::map<std::string, std::string> variables;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view line = *environment;
    const std::size_t equals = line.find('=');
    if (!line.starts_with(kEnvironmentPrefix) || equals == line.npos) continue;
    variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

}  // namespace chg
