// Finds the user's command, and becomes it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace chg {

/// The file that `name` means, searched for as a shell does: in `search_path` unless it holds a
/// slash. Throws Error: NotFound (127) or NotExecutable (126).
std::string resolve_command(const std::string& name, const std::string& search_path);

/// Variables of an environment, in the order in which people should read them. nullopt: not set,
/// since it would contradict the others.
using Variables = std::vector<std::pair<std::string, std::optional<std::string>>>;

/// Replaces this process by the command, in the environment that it has, with `variables` as given.
/// `arguments[0]` is the name that the command sees; `file` is what runs. A file without "#!" is
/// run by the shell, as shells do. Returns only by throwing Error (126, 127).
[[noreturn]] void become(const std::string& file, const std::vector<std::string>& arguments,
                         const Variables& variables);

}  // namespace chg
