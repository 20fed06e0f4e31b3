#include "render/report.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/view.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"

namespace chg {
namespace {

int execute_report(Session& session, const Arguments& arguments) {
  const Config& config = session.config();
  const int days = static_cast<int>(config.number("report.days"));
  // The key takes no other words.
  const std::string word = config.text("report.by").value();
  const ReportBy by =
      std::find_if(std::begin(kReportWords), std::end(kReportWords), [&](const ReportWords& one) {
        return word == one.word;
      })->by;
  const bool is_json = config.flag("report.json");
  const Style style = session.style();
  const auto show = [&](const Report& seen) {
    return is_json ? report_json(seen) : report_text(report_table(seen), style);
  };
  if (asks_for_hosts(session, arguments, "report")) {
    const auto local = [&] {
      return shown_parts(view_all_reports(session.context(), days, by), show);
    };
    const auto remote = [&](const std::string& answer) {
      return is_json ? remote_report_json(answer) : report_text(read_remote_report(answer), style);
    };
    return show_hosts(session, arguments,
                      {"report",
                       "report",
                       {"report", "--json", "--days", fmt::to_string(days), "--by", word},
                       local,
                       remote});
  }
  const Report seen = view_report(session.context(), days, by);
  mention_elsewhere(session, seen.elsewhere);
  print(show(seen));
  return 0;
}

}  // namespace

Command report_command() {
  return {.name = "report",
          .help = "Show GPU hours by user, GPU or day",
          .examples =
              "  canhazgpu report --days 7\n"
              "  canhazgpu report --all      every host\n"
              "  canhazgpu report --by day --json",
          .options = joined({{"-d,--days", "N", "How many days back (30)", "report.days"},
                             {"--by", "WHAT", "Add up by user, gpu or day (user)", "report.by"},
                             {"-j,--json", "", "Print JSON", "report.json"}},
                            remote_options("report")),
          .execute = execute_report};
}

}  // namespace chg
