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

constexpr char kConfigExamples[] = R"(  canhazgpu config
  canhazgpu config | grep run

A setting comes from a flag, else from CANHAZGPU_RUN_TIMEOUT and the like, else from
~/.canhazgpu.yaml (yml, json) or ~/.config/canhazgpu/config.yaml, else from
/etc/canhazgpu/config.yaml, else it is the default.
What decides for everybody is not here: canhazgpu policy)";

}  // namespace

Command config_command() {
  return {.name = "config",
          .help = "Show every setting, and where it comes from",
          .examples = kConfigExamples,
          .execute = execute_config};
}

}  // namespace chg
