// Small files that the kernel makes up when they are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

struct SysfsText {
  std::optional<std::string> text;  ///< at most 64 KiB; nullopt when the file can't be read
  int error_number = 0;             ///< why it can't; 0 when it can
};

SysfsText read_sysfs(const std::string& path);

/// The text of a file without the white space around it; "" when it can't be read.
std::string read_sysfs_line(const std::string& path);

/// The decimal number that a file holds; nullopt when it can't be read or holds anything else.
std::optional<std::uint64_t> read_sysfs_number(const std::string& path);

/// The names in a folder, sorted; nullopt when the folder can't be read.
std::optional<std::vector<std::string>> names_in(const std::string& folder);

/// Bytes as MiB, rounded up: memory that is held never shows as none.
std::uint64_t mib_rounded_up(std::uint64_t bytes);

}  // namespace chg
