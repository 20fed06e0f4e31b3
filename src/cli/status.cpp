#include "render/status.h"

#include <fmt/format.h>

#include "app/view.h"
#include "base/duration_text.h"
#include "base/text.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute(Session& session, const Arguments&) {
  const Config& config = session.config();
  const Overview seen = view_status(session.host());
  if (!seen.probe_failure.empty()) {
    const std::string what = "warning: the GPUs can't be read: " + printable(seen.probe_failure);
    session.say(seen.observed ? fmt::format("{}; showing what was seen {} ago", what,
                                            to_hms(age(*seen.observed, seen.now)))
                              : what);
  }
  const Style style = session.style();
  if (config.flag("status.json")) {
    print(status_json(seen));
  } else if (config.flag("status.summary")) {
    print(status_summary(seen));
  } else {
    print(config.flag("status.table") ? status_table(seen, style) : status_lines(seen, style));
  }
  return 0;
}

}  // namespace

Command status_command() {
  Command command;
  command.name = "status";
  command.help = "Show every GPU and who has it";
  command.examples =
      "  canhazgpu status\n"
      "  canhazgpu status --table\n"
      "  watch -n 5 canhazgpu status\n"
      "  canhazgpu status --json | jq '.[] | select(.status==\"AVAILABLE\")'";
  command.options = {{"-j,--json", "", "Print JSON", "status.json"},
                     {"-t,--table", "", "Print a table as wide as the terminal", "status.table"},
                     {"-s,--summary", "", "Print one line for the host", "status.summary"}};
  command.execute = execute;
  return command;
}

}  // namespace chg
