// Where configuration files are, and reading one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/yaml_file.h"

namespace chg {

/// Whether a file is followed that belongs to this account; an empty one: everybody's is.
using TrustedOwner = std::function<bool(std::uint32_t uid)>;

/// The file that exists among STEM.yaml, STEM.yml, STEM.json and STEM.toml for all of `stems`, or
/// nothing. Throws Error(Failed) that names them where there are several: nobody could say which
/// of them counts. A directory that may not be searched holds no file for us, and neither counts
/// one that `is_trusted` refuses by its owner; one warning names them all.
std::optional<std::string> find_config_file(const std::vector<std::string>& stems,
                                            const TrustedOwner& is_trusted,
                                            std::vector<std::string>& warnings);

/// Throws Error where the file's name ends in none of .yaml, .yml and .json, where it cannot be
/// read, is not a regular file, is larger than any configuration, has another owner than
/// `is_trusted` allows, or cannot be parsed.
std::vector<FileEntry> read_config_file(const std::string& path,
                                        const TrustedOwner& is_trusted = {});

}  // namespace chg
