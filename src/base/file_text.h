// What a file holds, read to its end, and written.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace chg {

/// Reads from the position of `fd` to the end of its file, but no more than `bytes_max` bytes.
/// nullopt when it cannot be read; errno tells why.
std::optional<std::string> read_to_end(int fd, std::size_t bytes_max = std::string::npos);

/// The same of a file by its path, with the flags of open(2) beside O_RDONLY | O_CLOEXEC.
std::optional<std::string> read_file(const std::string& path,
                                     std::size_t bytes_max = std::string::npos, int flags = 0);

/// Writes all of `text` at the position of `fd`. False when it cannot; errno tells why.
bool write_all(int fd, std::string_view text);

}  // namespace chg
