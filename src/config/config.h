// The configuration in force: for every key a value, and who set it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/value.h"
#include "core/policy.h"

namespace chg {

/// A value from the command line. `origin` is the flag as people know it: "--timeout".
struct ConfigFlag {
  std::string key;
  std::string value;
  std::string origin;
};

/// Everything that a configuration is made of. Nothing else of the process is looked at.
struct ConfigInputs {
  std::vector<ConfigFlag> flags = {};                   ///< of one key's, the last counts
  std::map<std::string, std::string> environment = {};  ///< others than CANHAZGPU_* don't matter
  std::optional<std::string> file = {};                 ///< --config: instead of the user's file
  std::string home = {};                                ///< not absolute: the user has no file
  std::string xdg_config_home = {};                     ///< not absolute: HOME/.config
  std::string system_directory = "/etc/canhazgpu";
  std::uint32_t uid = 0;  ///< whose files, beside root's, are followed without being named
  /// The command that is run. What files and environment say for another command is
  /// then no concern of it, wrong or not. "": every value is checked.
  std::string command = {};
};

/// One line of `canhazgpu config`. Texts are as given, but without passwords: printable() is the
/// caller's.
struct EffectiveValue {
  std::string key;
  std::optional<std::string> value;  ///< none where nobody set it and there is no default
  std::string origin;
};

/// Values by key. Asking for a key that is not in keys(), or for another type than its own, is a
/// programming error (std::logic_error).
class Config {
 public:
  /// Of a text, path, store or choice.
  std::optional<std::string> text(std::string_view key) const;
  std::int64_t number(std::string_view key) const;
  std::optional<Duration> duration(std::string_view key) const;
  bool flag(std::string_view key) const;
  /// Empty where nobody set it.
  std::vector<std::string> list(std::string_view key) const;
  /// Ascending.
  std::optional<std::vector<int>> gpu_ids(std::string_view key) const;

  /// Who set the value. Where two keys contradict each other (run.gpus in a file, --gpu-ids typed),
  /// the higher source is the one that is meant.
  const Origin& origin(std::string_view key) const;

  /// How this user wants to see the GPUs.
  View view() const;
  Leftovers leftovers() const;

  /// All keys, in the order of keys().
  std::vector<EffectiveValue> effective() const;

  /// To be printed once, on stderr: unknown keys. Printable.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend class ConfigLoader;

  struct Setting {
    Value value;
    Origin origin;
  };

  Config() = default;
  const Setting& setting(std::string_view key, std::initializer_list<KeyType> types) const;

  std::vector<Setting> settings_;  ///< one for each of keys(), in that order
  std::vector<std::string> warnings_;
};

/// Flags before environment before the user's file before the system's before defaults. A variable
/// that is set to nothing is not set. The user's file is HOME/.canhazgpu.EXT or
/// XDG_CONFIG_HOME/canhazgpu/config.EXT, the system's SYSTEM_DIRECTORY/config.EXT; nothing is read
/// from the working directory unless `file` says so. A user's file that is neither root's nor of
/// `uid` is left out with a warning: HOME may be somebody else's, as after sudo -E.
///
/// Every value that concerns the command is checked, those too that a stronger one hides. Throws
/// Error: Usage for a value that isn't the key's, named with its origin; Failed (NotPermitted) for
/// a file that cannot be read or parsed, and for several files where one is expected.
/// std::logic_error for a flag whose key is not in keys().
Config load_config(const ConfigInputs& inputs);

/// The CANHAZGPU_* variables of an environment such as `environ`.
std::map<std::string, std::string> read_environment(const char* const* environment);

}  // namespace chg
