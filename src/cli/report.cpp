#include "render/report.h"

#include "app/view.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute(Session& session, const Arguments&) {
  const Config& config = session.config();
  const std::string by = config.text("report.by").value_or("user");
  const ReportBy sums = by == "gpu" ? ReportBy::Gpu : by == "day" ? ReportBy::Day : ReportBy::User;
  const Report seen =
      view_report(session.host(), static_cast<int>(config.number("report.days")), sums);
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
      "  canhazgpu report --by day --json";
  command.options = {{"-d,--days", "N", "How many days back (30)", "report.days"},
                     {"--by", "WHAT", "Add up by user, gpu or day (user)", "report.by"},
                     {"-j,--json", "", "Print JSON", "report.json"}};
  command.execute = execute;
  return command;
}

}  // namespace chg
