#include "render/status.h"

#include <fmt/format.h>

#include "app/view.h"
#include "base/duration_text.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"
#include "render/summary.h"

namespace chg {
namespace {

// Warns on stderr if the GPUs cannot be read now.
void mention_failure(const Session& session, const Overview& seen, const std::string& context) {
  if (seen.probe_failure.empty()) return;
  const std::string what =
      fmt::format("warning: the GPUs{} cannot be read: {}", context, seen.probe_failure);
  session.say(seen.observed ? fmt::format("{}; showing what was seen {} ago", what,
                                          to_hms(age(*seen.observed, seen.now)))
                            : what);
}

std::string shown(const Session& session, const Summary& summary) {
  return session.config().flag("status.json") ? summary_json(summary) : summary_line(summary);
}

std::string shown(const Session& session, const std::vector<GpuRow>& rows) {
  const Style style = session.style();
  return session.config().flag("status.table") ? status_table(rows, style)
                                               : status_lines(rows, style);
}

std::string shown(const Session& session, const Overview& seen) {
  const Config& config = session.config();
  if (config.flag("status.summary")) return shown(session, summary_of(seen));
  return config.flag("status.json") ? status_json(seen) : shown(session, status_rows(seen));
}

std::string shown_remote(const Session& session, const std::string& answer) {
  const Config& config = session.config();
  if (config.flag("status.summary")) return shown(session, read_remote_summary(answer));
  return config.flag("status.json") ? remote_status_json(answer)
                                    : shown(session, read_remote_status(answer));
}

int show_all(Session& session, const Arguments& arguments) {
  const bool is_summary = session.config().flag("status.summary");
  HostForm form{"status", "gpus", {"status", "--json"}};
  if (is_summary) form = {"status", "summary", {"status", "--summary", "--json"}};
  form.local = [&] {
    return shown_parts(view_all_status(session.context()), [&](const Overview& seen) {
      if (!is_summary) mention_failure(session, seen, " of this host");
      return shown(session, seen);
    });
  };
  form.remote = [&](const std::string& answer) { return shown_remote(session, answer); };
  form.is_line = is_summary;
  return show_hosts(session, arguments, form);
}

int execute_status(Session& session, const Arguments& arguments) {
  if (asks_for_hosts(session, arguments, "status")) return show_all(session, arguments);
  const Overview seen = view_status(session.context());
  mention_elsewhere(session, seen.elsewhere);
  mention_failure(session, seen, "");
  print(shown(session, seen));
  return 0;
}

}  // namespace

Command status_command() {
  return {.name = "status",
          .help = "Show every GPU and who has it",
          .examples =
              "  canhazgpu status\n"
              "  canhazgpu status --table\n"
              "  canhazgpu status --all --summary        one line for each host\n"
              "  canhazgpu status --remote gpu1,gpu2     other hosts, by ssh\n"
              "  watch -n 5 canhazgpu status\n"
              "  canhazgpu status --json | jq '.[] | select(.status==\"AVAILABLE\")'",
          .options =
              joined({{"-j,--json", "", "Print JSON", "status.json"},
                      {"-t,--table", "", "Print a table as wide as the terminal", "status.table"},
                      {"-s,--summary", "", "Print one line for the host", "status.summary"}},
                     remote_options("status")),
          .execute = execute_status};
}

}  // namespace chg
