// Small files that the kernel makes up when they are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// The text of a file, at most 64 KiB of it; nullopt when it cannot be read, and errno tells why.
std::optional<std::string> read_sysfs(const std::string& path);

/// The text of a file without the white space around it; "" when it cannot be read.
std::string read_sysfs_line(const std::string& path);

/// The decimal number that a file holds; nullopt when it cannot be read or holds anything else.
std::optional<std::uint64_t> read_sysfs_number(const std::string& path);

/// The names in a folder, sorted; nullopt when the folder cannot be read.
std::optional<std::vector<std::string>> names_in(const std::string& folder);

/// Bytes as MiB, rounded up: memory that is held never shows as none. nullopt stays nullopt.
std::optional<std::uint64_t> mib_rounded_up(const std::optional<std::uint64_t>& bytes);

}  // namespace chg
