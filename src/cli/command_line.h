// The command line: from what was typed to the command that is meant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "config/config.h"

namespace chg {

/// What the command line came to.
struct Invocation {
  const Command* command = nullptr;
  Arguments arguments;
  std::vector<ConfigFlag> flags;  ///< the options that set keys of the configuration
  std::optional<std::string> config_file;
  bool is_verbose = false;
  bool no_color = false;
};

/// Reads the arguments (without the program's name). Missing when everything has been done: --help
/// and --version print and are content. Throws Error(Usage) that suggests what may have been meant.
std::optional<Invocation> read_command_line(const std::vector<std::string>& arguments);

}  // namespace chg
