#include "config/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute_config(Session& session, const Arguments&) {
  const auto values = session.config().effective();
  std::size_t widest = 0;
  for (const EffectiveValue& one : values) widest = std::max(widest, one.key.size());
  std::string text;
  for (const EffectiveValue& one : values) {
    text += fmt::format("{:<{}}  {}  ({})\n", one.key, widest,
                        one.value ? printable(*one.value) : "-", printable(one.origin));
  }
  print(text);
  return 0;
}

}  // namespace

Command config_command() {
  Command command;
  command.name = "config";
  command.help = "Show every setting, and where it comes from";
  command.examples =
      "  canhazgpu config\n"
      "  canhazgpu config | grep run\n"
      "\n"
      "A setting comes from a flag, else from CANHAZGPU_RUN_TIMEOUT and the like, else from\n"
      "~/.canhazgpu.yaml (yml, json) or ~/.config/canhazgpu/config.yaml, else from\n"
      "/etc/canhazgpu/config.yaml, else it is the default.";
  command.execute = execute_config;
  return command;
}

}  // namespace chg
