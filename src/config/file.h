// Where configuration files are, and reading one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/yaml_file.h"

namespace chg {

/// The file that exists among STEM.yaml, STEM.yml, STEM.json and STEM.toml for all of `stems`, or
/// nothing. Throws Error(Failed) that names them where there are several: nobody could say which
/// of them counts. A directory that may not be searched holds no file for us; that is a warning.
std::optional<std::string> find_config_file(const std::vector<std::string>& stems,
                                            std::vector<std::string>& warnings);

/// Throws Error where the file's name ends in none of .yaml, .yml and .json, where it cannot be
/// read, is not a regular file, is larger than any configuration, or cannot be parsed.
std::vector<FileEntry> read_config_file(const std::string& path);

}  // namespace chg
