// Every key that a configuration may hold. Flags, environment, files and `canhazgpu config` all go
// by this one table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

enum class KeyType {
  Text,
  Path,      ///< a file; relative paths only where the working directory is meant (see Source)
  Store,     ///< sqlite:PATH, or the URL of a Redis
  Number,    ///< a whole number from `min` to `max`
  TimeSpan,  ///< what parse_duration reads
  Bool,      ///< true, false, yes, no, on, off, 1, 0
  List,      ///< texts; where one text has to hold them all, separated by commas
  Choice,    ///< one of `words`
  GpuIds,    ///< what parse_gpu_ids reads, or a list of such texts
  Signal,    ///< one of `words`, whatever its case, and with SIG before it or without
};

/// Numbers, bools, choices and lists have a default, so that they always have a value; but not
/// those that are the policy's, where nobody set them.
struct Key {
  std::string_view name;  ///< "run.gpu_ids": the section is the command or the part that it is for
  KeyType type = KeyType::Text;
  std::optional<std::string> default_text;  ///< as a user would write it
  std::string_view meaning;                 ///< one line for people
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::vector<std::string_view> words = {};  ///< of a choice or a signal
  bool is_secret = false;                    ///< never shown
  bool takes_zero = false;                   ///< of a time span: "0" means none
};

/// All keys, in the order in which people are shown them.
const std::vector<Key>& keys();

/// The place of `name` in keys(), or nothing. The name has to be exact.
std::optional<std::size_t> find_key(std::string_view name);

/// The place of the key whose environment_name is `variable`, or nothing.
std::optional<std::size_t> find_key_of_variable(std::string_view variable);

/// Whether keys of that section exist: "run" is one because of "run.timeout".
bool is_section(std::string_view name);

/// The command whose section the key lies in, such as "run"; "" for a key that is for all of them.
std::string_view command_of(std::string_view name);

/// Whether that is a key of the Go program of the same name which means nothing here: its files are
/// read as they are.
bool is_foreign(std::string_view name);

/// What the variables of the program begin with.
inline constexpr std::string_view kEnvironmentPrefix = "CANHAZGPU_";

/// The environment variable of a key: "run.gpu_ids" is CANHAZGPU_RUN_GPU_IDS.
std::string environment_name(std::string_view key);

}  // namespace chg
