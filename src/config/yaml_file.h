// What a configuration file says, as a flat list.
#pragma once

#include <string>
#include <vector>

#include "config/value.h"

namespace chg {

struct FileEntry {
  std::string key;  ///< sections and names joined by dots
  RawValue value;
  int line = 0;  ///< of the key, counted from 1; 0 where the library does not say
};

/// The key as the table of keys has it: people write dashes for underscores.
std::string with_underscores(std::string key);

/// Reads one document of YAML, and so of JSON. `file` names the file in messages. A text that is
/// empty, or has only comments, has no entries. Throws Error(Failed), which says where and why, for
/// any other text, and for what no sane file holds: deep nesting, endless names, a key that is set
/// twice, and aliases, because they let a small file stand for a huge one.
std::vector<FileEntry> read_yaml(const std::string& text, const std::string& file);

}  // namespace chg
