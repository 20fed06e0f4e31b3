// The program: from arguments to exit status.
#pragma once

#include <string>
#include <vector>

#include "app/world.h"

namespace chg {

/// Executes the arguments (without the program's name); returns the exit status. A `run` that is
/// granted does not return: this process becomes its command. Throws Error.
int run_program(const std::vector<std::string>& arguments, const World& world);

}  // namespace chg
