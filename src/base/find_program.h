// Which GPU tools this host has.
#pragma once

#include <optional>
#include <string>

namespace chg {

/// The path of the program that `name` starts: the first executable file of that name in PATH (in
/// /bin and /usr/bin when PATH is not set), or `name` itself when it contains a slash. Missing when
/// there is none that the caller may execute.
std::optional<std::string> find_program(const std::string& name);

}  // namespace chg
