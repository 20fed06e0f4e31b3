#include "render/report.h"

#include <fmt/format.h>

#include "app/view.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"

namespace chg {
namespace {

struct Period {
  int days = 0;
  std::string by;

  ReportBy sums() const {
    return by == "gpu" ? ReportBy::Gpu : by == "day" ? ReportBy::Day : ReportBy::User;
  }
};

int show_all(Session& session, const Arguments& arguments, const Period& period) {
  const Style style = session.style();
  return show_hosts<Report>(
      session, arguments,
      {"report",
       "report",
       {"report", "--json", "--days", fmt::to_string(period.days), "--by", period.by},
       [&](const Report& seen) { return report_text(seen, style); },
       report_json,
       read_remote_report,
       [&](const Json& report) { return remote_report_text(report, style); }},
      [&] { return view_all_reports(session.context(), period.days, period.sums()); });
}

int execute(Session& session, const Arguments& arguments) {
  const Config& config = session.config();
  const Period period{static_cast<int>(config.number("report.days")),
                      config.text("report.by").value_or("user")};
  if (asks_for_hosts(session, arguments, "report")) return show_all(session, arguments, period);
  const Report seen = view_report(session.context(), period.days, period.sums());
  mention_elsewhere(session, seen.elsewhere);
  print(config.flag("report.json") ? report_json(seen) : report_text(seen, session.style()));
  return 0;
}

}  // namespace

Command report_command() {
  Command command;
  command.name = "report";
  command.help = "Show GPU hours by user, GPU or day";
  command.examples =
      "  canhazgpu report --days 7\n"
      "  canhazgpu report --all      every host\n"
      "  canhazgpu report --by day --json";
  command.options = {{"-d,--days", "N", "How many days back (30)", "report.days"},
                     {"--by", "WHAT", "Add up by user, gpu or day (user)", "report.by"},
                     {"-j,--json", "", "Print JSON", "report.json"}};
  for (const Option& option : host_options("report")) command.options.push_back(option);
  command.execute = execute;
  return command;
}

}  // namespace chg
