// Where a command is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// The files that `name` may mean, first the one that counts: in each folder of `search_path`, of
/// which an empty one means the working directory; `name` alone where it contains a slash.
std::vector<std::string> program_candidates(const std::string& name, std::string_view search_path);

/// The path of the program that `name` starts: the first executable file of that name in PATH (in
/// /bin and /usr/bin when PATH is not set), or `name` itself when it contains a slash. nullopt when
/// there is none that the caller may execute.
std::optional<std::string> find_program(const std::string& name);

}  // namespace chg
