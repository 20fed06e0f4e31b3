#include "cli/program.h"

#include <unistd.h>

#include "base/error.h"
#include "cli/command_line.h"
#include "cli/session.h"
#include "process/caller.h"

namespace chg {
namespace {

ConfigInputs inputs_of(const Invocation& invocation) {
  ConfigInputs inputs;
  inputs.flags = invocation.flags;
  inputs.environment = read_environment(environ);
  inputs.file = invocation.config_file;
  inputs.home = environment("HOME");
  inputs.uid = getuid();
  inputs.xdg_config_home = environment("XDG_CONFIG_HOME");
  // `config` shows every value, and says what is wrong with any.
  if (invocation.command->name != "config") inputs.command = invocation.command->name;
  return inputs;
}

}  // namespace

int run_program(const std::vector<std::string>& arguments, const World& world) {
  const std::optional<Invocation> invocation = read_command_line(arguments);
  if (!invocation) return 0;
  Session session(world, load_config(inputs_of(*invocation)), find_caller(), invocation->is_verbose,
                  invocation->no_color);
  try {
    return invocation->command->execute(session, invocation->arguments);
  } catch (const Error& error) {
    // Whoever is told that there is no pool may have one elsewhere.
    if (error.kind() != ErrorKind::Failed || error.is_transient()) throw;
    if (const auto missed = session.missed_import()) throw Error(*missed);
    throw;
  }
}

}  // namespace chg
