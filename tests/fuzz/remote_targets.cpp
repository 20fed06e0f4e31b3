// What other hosts answer by ssh, and by which names they are called.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "render/remote.h"
#include "view/remote_host.h"

namespace chg {
namespace {

bool is_harmless(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c != '\n' && ((c >= 0 && c < 32) || c == 127); });
}

}  // namespace

CHG_FUZZ_TARGET(hosts, status) {
  const Json gpus = read_remote_status(std::string(bytes));
  const std::string lines = remote_status_lines(gpus, {});
  CHG_FUZZ_REQUIRE(is_harmless(lines));
  CHG_FUZZ_REQUIRE(std::count(lines.begin(), lines.end(), '\n') ==
                   static_cast<std::ptrdiff_t>(gpus.size()));
  CHG_FUZZ_REQUIRE(is_harmless(remote_status_table(gpus, {})));
  CHG_FUZZ_REQUIRE(is_harmless(json_text(gpus)));
}

CHG_FUZZ_TARGET(hosts, summary) {
  const Summary summary = read_remote_summary(std::string(bytes));
  CHG_FUZZ_REQUIRE(is_harmless(summary_line(summary)));
  CHG_FUZZ_REQUIRE(summary_line(read_summary(summary_object(summary))) == summary_line(summary));
}

CHG_FUZZ_TARGET(hosts, queue) {
  CHG_FUZZ_REQUIRE(is_harmless(remote_queue_text(read_remote_queue(std::string(bytes)), {})));
}

CHG_FUZZ_TARGET(hosts, report) {
  CHG_FUZZ_REQUIRE(is_harmless(remote_report_text(read_remote_report(std::string(bytes)), {})));
}

CHG_FUZZ_TARGET(hosts, name) {
  require_remote_host(std::string(bytes));
  CHG_FUZZ_REQUIRE(!bytes.empty() && bytes.front() != '-' && is_harmless(std::string(bytes)));
  CHG_FUZZ_REQUIRE(bytes.find_first_of(" ;$`'\"\\/\n") == std::string_view::npos);
}

}  // namespace chg
