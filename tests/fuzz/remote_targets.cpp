// What other hosts answer by ssh, and by which names they are called.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "render/remote.h"
#include "render/status.h"
#include "view/remote_host.h"

namespace chg {
namespace {

bool is_harmless(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c != '\n' && ((c >= 0 && c < 32) || c == 127); });
}

}  // namespace

CHG_FUZZ_TARGET(hosts, status) {
  const std::string answer(bytes);
  const std::vector<GpuRow> rows = read_remote_status(answer);
  const std::string lines = status_lines(rows, {});
  CHG_FUZZ_REQUIRE(is_harmless(lines));
  CHG_FUZZ_REQUIRE(std::count(lines.begin(), lines.end(), '\n') ==
                   static_cast<std::ptrdiff_t>(rows.size()));
  CHG_FUZZ_REQUIRE(is_harmless(status_table(rows, {})));
  CHG_FUZZ_REQUIRE(is_harmless(remote_status_json(answer)));
}

CHG_FUZZ_TARGET(hosts, summary) {
  const Summary summary = read_remote_summary(std::string(bytes));
  const std::string line = summary_line(summary);
  CHG_FUZZ_REQUIRE(is_harmless(line));
  CHG_FUZZ_REQUIRE(summary_line(read_remote_summary(summary_json(summary))) == line);
}

CHG_FUZZ_TARGET(hosts, queue) {
  const std::string answer(bytes);
  CHG_FUZZ_REQUIRE(is_harmless(queue_text(read_remote_queue(answer), {})));
  CHG_FUZZ_REQUIRE(is_harmless(remote_queue_json(answer)));
}

CHG_FUZZ_TARGET(hosts, report) {
  const std::string answer(bytes);
  CHG_FUZZ_REQUIRE(is_harmless(report_text(read_remote_report(answer), {})));
  CHG_FUZZ_REQUIRE(is_harmless(remote_report_json(answer)));
}

CHG_FUZZ_TARGET(hosts, name) {
  require_remote_host(std::string(bytes));
  CHG_FUZZ_REQUIRE(!bytes.empty() && bytes.front() != '-' && is_harmless(std::string(bytes)));
  CHG_FUZZ_REQUIRE(bytes.find_first_of(" ;$`'\"\\/\n") == std::string_view::npos);
}

}  // namespace chg
