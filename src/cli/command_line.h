// Reads the command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "config/config.h"

namespace chg {

/// What the command line says.
struct Invocation {
  const Command* command = nullptr;
  Arguments arguments;
  std::vector<ConfigFlag> flags;  ///< the options that set keys of the configuration
  std::optional<std::string> config_file;
  bool is_verbose = false;
  bool no_color = false;
};

/// Reads the arguments (without the program's name). nullopt: help or the version was asked for
/// and has been printed. Throws Error(Usage) that suggests what may have been meant.
std::optional<Invocation> read_command_line(const std::vector<std::string>& arguments);

}  // namespace chg
