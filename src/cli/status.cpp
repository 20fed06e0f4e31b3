#include "render/status.h"

#include <fmt/format.h>

#include "app/view.h"
#include "base/duration_text.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"
#include "render/summary.h"

namespace chg {
namespace {

// What can't be looked at now, for people.
void mention_failure(const Session& session, const Overview& seen, const std::string& context) {
  if (seen.probe_failure.empty()) return;
  const std::string what =
      fmt::format("warning: the GPUs{} can't be read: {}", context, printable(seen.probe_failure));
  session.say(seen.observed ? fmt::format("{}; showing what was seen {} ago", what,
                                          to_hms(age(*seen.observed, seen.now)))
                            : what);
}

std::string text_of(const Session& session, const Overview& seen) {
  const Style style = session.style();
  return session.config().flag("status.table") ? status_table(seen, style)
                                               : status_lines(seen, style);
}

int show_summaries(Session& session, const Arguments& arguments) {
  return show_hosts<Overview>(
      session, arguments,
      {"status",
       "summary",
       {"status", "--summary", "--json"},
       [](const Overview& seen) { return summary_line(summary_of(seen)); },
       summary_json,
       [](const std::string& answer) { return summary_object(read_remote_summary(answer)); },
       [](const Json& object) { return summary_line(read_summary(object)); },
       true},
      [&] { return view_all_status(session.context()); });
}

int show_all(Session& session, const Arguments& arguments) {
  const Style style = session.style();
  const bool is_table = session.config().flag("status.table");
  return show_hosts<Overview>(session, arguments,
                              {"status",
                               "gpus",
                               {"status", "--json"},
                               [&](const Overview& seen) {
                                 mention_failure(session, seen, " of this host");
                                 return text_of(session, seen);
                               },
                               status_json,
                               read_remote_status,
                               [&](const Json& gpus) {
                                 return is_table ? remote_status_table(gpus, style)
                                                 : remote_status_lines(gpus, style);
                               }},
                              [&] { return view_all_status(session.context()); });
}

int execute(Session& session, const Arguments& arguments) {
  const Config& config = session.config();
  const bool is_summary = config.flag("status.summary");
  if (asks_for_hosts(session, arguments, "status")) {
    return is_summary ? show_summaries(session, arguments) : show_all(session, arguments);
  }
  const Overview seen = view_status(session.context());
  mention_elsewhere(session, seen.elsewhere);
  mention_failure(session, seen, "");
  if (config.flag("status.json")) {
    print(is_summary ? summary_json(seen) : status_json(seen));
  } else {
    print(is_summary ? status_summary(seen) : text_of(session, seen));
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
      "  canhazgpu status --all --summary        one line for each host\n"
      "  canhazgpu status --remote gpu1,gpu2     other hosts, by ssh\n"
      "  watch -n 5 canhazgpu status\n"
      "  canhazgpu status --json | jq '.[] | select(.status==\"AVAILABLE\")'";
  command.options = {{"-j,--json", "", "Print JSON", "status.json"},
                     {"-t,--table", "", "Print a table as wide as the terminal", "status.table"},
                     {"-s,--summary", "", "Print one line for the host", "status.summary"}};
  for (const Option& option : host_options("status")) command.options.push_back(option);
  command.execute = execute;
  return command;
}

}  // namespace chg
