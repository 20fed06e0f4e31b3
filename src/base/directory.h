#pragma once

#include <filesystem>

#include <sys/types.h>

namespace chg {

/// Makes the directory, and those above it, where they are missing, each with this mode, whatever
/// the umask says. What is there stays as it is. A failure shows when a file is made in it.
void make_directories(const std::filesystem::path& directory, mode_t mode);

}  // namespace chg
