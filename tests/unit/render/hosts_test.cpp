#include "render/hosts.h"

#include <gtest/gtest.h>

#include "render/remote.h"
#include "support/expect_error.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

std::vector<HostPart> three_hosts() {
  HostPart here{"alpha", HostPart::Source::Here, "", "", "GPU 0: AVAILABLE\n", Json::array()};
  HostPart stored{"beta", HostPart::Source::Store, "", "", "GPU 0: IN USE\n", Json::array()};
  HostPart failed{"evil\x1b[31m", HostPart::Source::Ssh, "Permission\ndenied", "try it", "", {}};
  return {here, stored, failed};
}

TEST(Hosts, StandSideBySide) {
  EXPECT_EQ(hosts_text(three_hosts()),
            "alpha:\nGPU 0: AVAILABLE\n"
            "\nbeta (from its pool, not looked at):\nGPU 0: IN USE\n"
            "\nevil\\x1b[31m: error: Permission\\ndenied\nhint: try it\n");
}

TEST(Hosts, TakeALineEach) {
  std::vector<HostPart> parts = three_hosts();
  parts[0].text = "1 GPU";
  parts[1].text = "2 GPUs";
  EXPECT_EQ(hosts_lines(parts),
            "alpha: 1 GPU\nbeta: 2 GPUs\nevil\\x1b[31m: error: Permission\\ndenied\n");
}

TEST(Hosts, AreAnObjectEach) {
  const std::string text = hosts_json(three_hosts(), "gpus");
  samples::expect_documented(text, "hosts");
  const Json hosts = Json::parse(text);
  EXPECT_EQ(hosts[1]["source"], "store");
  EXPECT_TRUE(hosts[1].contains("gpus"));
  EXPECT_FALSE(hosts[2].contains("gpus"));
  EXPECT_EQ(hosts[2]["error"], "Permission\ndenied");
}

TEST(Summary, SurvivesTheWayThroughJson) {
  Summary summary;
  count(summary, GpuStatus::Available, "H100", true, false);
  count(summary, GpuStatus::InUse, "H100", false, true);
  count(summary, GpuStatus::Error, "", false, false);
  count(summary, GpuStatus::OutOfService, "A100", false, false);
  summary.waiting = 3;
  summary.validation = "not validated";
  const std::string line =
      "4 GPUs (2x H100, 1x unknown model, 1x A100): 1 available (1 held), 1 in use (1 also used "
      "without reservation), 0 in use without reservation, 1 in error, 1 out of service; 3 waiting "
      "[not validated]";
  EXPECT_EQ(summary_line(summary), line);
  samples::expect_documented(json_text(summary_object(summary)), "summary");
  EXPECT_EQ(summary_line(read_summary(summary_object(summary))), line);
}

TEST(RemoteSummary, IsCountedWhereAnOlderVersionTellsItsGpus) {
  const Summary summary = read_remote_summary(
      R"([{"gpu_id":0,"status":"AVAILABLE","gpu_model":"H100"},{"gpu_id":1,"status":"IN_USE"}])");
  EXPECT_EQ(summary.total, 2);
  EXPECT_EQ(summary.available, 1);
  EXPECT_EQ(summary.in_use, 1);
  EXPECT_EQ(summary.waiting, std::nullopt);
}

TEST(RemoteSummary, IsRefusedWhereItCountsNonsense) {
  for (const char* text : {R"({"total":-1})", R"({"total":1e99})", R"({"total":"8"})",
                           R"({"total":1,"in_use":99999999999})", R"({"available":1})"}) {
    expect_error(ErrorKind::Failed, "", [&] { read_remote_summary(text); });
  }
}

TEST(RemoteStatus, IsRefusedWhereItIsNoneOfOurs) {
  const std::string gpu = R"({"gpu_id":0,"status":"ERROR")";
  for (const std::string& text :
       {std::string("{"), std::string("{}"), std::string("[[]]"), std::string(100'000, '['),
        "[" + gpu + R"(,"x":)" + std::string(40, '[') + std::string(40, ']') + "}]",
        "Welcome\n[" + gpu + "}]"}) {
    expect_error(ErrorKind::Failed, "something else than the JSON of 'status'",
                 [&] { read_remote_status(text); });
  }
  EXPECT_EQ(read_remote_status("[" + gpu + "}]").size(), 1U);
}

TEST(RemoteStatus, IsOneLineForEachGpuWhateverItHolds) {
  const Json gpus = read_remote_status(
      R"([{"gpu_id":3,"status":"IN_USE","user":"a\u001b\nb","duration":7,"details":["x"],)"
      R"("foreign":[{"pid":5,"user":"bob","program":"p","memory_mb":900},4],"note":"\u202e"}])");
  EXPECT_EQ(
      remote_status_lines(gpus, {}),
      "GPU 3: IN USE by a\\x1b\\nb for  ALSO USED WITHOUT RESERVATION by user bob - 900MB used "
      "by PID 5 (p) \"\\u{202e}\"\n");
}

TEST(RemoteQueue, IsATable) {
  const Json queue = read_remote_queue(
      R"({"entries":[{"position":1,"id":"abc","user":"bob","requested_count":2,)"
      R"("requested_ids":[],"reservation_type":"run","wait_time":"0h 1m 0s","reason":"r"}]})");
  EXPECT_EQ(remote_queue_text(queue, {}),
            "POSITION  ID   USER  GPUS   TYPE  WAITED    REASON  ESTIMATED START  NOTE\n"
            "       1  abc  bob   any 2  RUN   0h 1m 0s  r       unknown          -\n");
  expect_error(ErrorKind::Failed, "'queue'", [] { read_remote_queue(R"({"entries":[1]})"); });
}

TEST(RemoteReport, IsATableWithTotals) {
  const Json report = read_remote_report(
      R"({"users":[{"name":"bob","gpu_hours":1.5,"percentage":100,"run_count":2,)"
      R"("manual_count":0}],"total_gpu_hours":1.5,"total_reservations":2,"unique_users":1,)"
      R"("days":7})");
  EXPECT_EQ(remote_report_text(report, {}),
            "GPU hours of 7 days\n"
            "USER  GPU HOURS   SHARE  RUNS  MANUAL\n"
            "bob        1.50  100.0%     2       0\n"
            "total: 1.50 GPU hours, 2 reservations, 1 user\n");
  expect_error(ErrorKind::Failed, "'report'", [] { read_remote_report("[]"); });
}

}  // namespace
}  // namespace chg
