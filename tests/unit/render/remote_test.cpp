#include "render/remote.h"

#include "render/status.h"
#include "support/expect_error.h"
#include "unit/render/samples.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using namespace samples;

TEST(Summary, SurvivesTheWayThroughJson) {
  Summary summary;
  count(summary, GpuStatus::Available, "H100", true, false);
  count(summary, GpuStatus::InUse, "H100", false, true);
  count(summary, GpuStatus::Error, "", false, false);
  count(summary, GpuStatus::OutOfService, "A100", false, false);
  count(summary, GpuStatus::NotReserved, "A100", false, false);
  summary.waiting = 3;
  summary.validation = "not validated";
  const std::string line =
      "5 GPUs (2x H100, 1x unknown model, 2x A100): 1 available (1 held), 1 in use (1 also used "
      "without reservation), 0 in use without reservation, 1 in error, 1 out of service, 1 not "
      "reserved; 3 waiting [not validated]\n";
  EXPECT_EQ(summary_line(summary), line);
  expect_documented(summary_json(summary), "summary");
  EXPECT_EQ(summary_line(read_remote_summary(summary_json(summary))), line);
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

TEST(RemoteStatus, IsShownAsOnItsOwnHost) {
  Overview seen = contract();
  GpuOverview leftover = with_use(run(4), {process(9, "python3", "alice", 12)}, 500);
  leftover.leftovers = leftover.users;
  leftover.command_ended = true;
  leftover.gpu.out_of_service = "fan";
  leftover.foreign = {process(8, "vllm", "bob", 1024), process(10, "a", "carol", {})};
  leftover.foreign[0].container = Container{"docker", std::string(64, 'e'), "trainer"};
  leftover.reservation->label = "dora";
  leftover.reservation->note = "paper";
  leftover.reading->processes[0].command_line = "vllm serve Qwen/Qwen3-8B";
  leftover.reading->utilization_percent = 30;
  leftover.reading->temperature_c = 41;
  leftover.reading->power_w = 120;
  leftover.reading->mig_devices.resize(2);
  leftover.lost_by = {*run(4).reservation, *manual(4).reservation};
  GpuOverview kept = available(5);
  kept.held_for = "dora";
  kept.held_position = 3;
  GpuOverview unseen = run(6);
  unseen.reading.reset();
  seen.gpus.insert(seen.gpus.end(), {leftover, kept, unseen, failed(7, "lost"),
                                     out_of_service(8, ""), unreserved(9, {}, 5000)});
  const std::vector<GpuRow> own = status_rows(seen);
  const std::vector<GpuRow> remote = read_remote_status(status_json(seen));
  EXPECT_EQ(status_lines(remote, {.color = true}), status_lines(own, {.color = true}));
  EXPECT_EQ(status_table(remote, {.color = true}), status_table(own, {.color = true}));
  EXPECT_EQ(remote_status_json(status_json(seen)), status_json(seen));
}

TEST(RemoteStatus, IsShownAsOnItsOwnHostWhateverUsersWrite) {
  for (const std::string& text : nasty_texts()) {
    const Overview seen = everywhere(text.substr(0, 20));
    const auto lines = lines_of(status_lines(read_remote_status(status_json(seen)), {}));
    EXPECT_EQ(lines.size(), seen.gpus.size());
    for (const std::string& line : lines) EXPECT_FALSE(has_control(line)) << line;
  }
}

TEST(RemoteStatus, IsOneLineForEachGpuWhateverItHolds) {
  const auto rows = read_remote_status(
      R"([{"gpu_id":3,"status":"IN_USE","user":"a\u001b\nb","duration":7,"details":["x"],)"
      R"("foreign":[{"pid":5,"user":"bob","program":"p","memory_mb":900},4],"note":"\u202e"},)"
      R"({"gpu_id":4,"status":"UNRESERVED"}])");
  EXPECT_EQ(status_lines(rows, {}),
            "GPU 3: IN USE by a\\x1b\\nb ALSO USED WITHOUT RESERVATION by user bob - 900MB used by "
            "PID 5 (p) \"\\u{202e}\"\n"
            "GPU 4: IN USE WITHOUT RESERVATION by unknown user\n");
}

TEST(RemoteQueue, IsShownAsOnItsOwnHost) {
  QueueOverview queue{noon(), {}};
  Request request;
  request.id = "abc";
  request.account = {1000, "alice"};
  request.label = "dora";
  request.count = 2;
  request.enqueued = ago(hms(0, 1, 0));
  queue.entries.push_back({request, {"abc", 1, {}, {2, {}, 0, {}}, {}}});
  request.gpu_ids = {1, 3};
  request.kind = ReservationKind::Manual;
  request.note = "later";
  queue.entries.push_back({request, {"abc", 2, {}, {2, {}, 0, {}}, {}}});
  EXPECT_EQ(queue_text(read_remote_queue(queue_json(queue)), {}),
            queue_text(queue_rows(queue), {}));
  EXPECT_EQ(remote_queue_json(queue_json(queue)), queue_json(queue));
  expect_error(ErrorKind::Failed, "'queue'", [] { read_remote_queue(R"({"entries":[1]})"); });
}

TEST(RemoteReport, IsATableWithTotals) {
  const std::string answer =
      R"({"users":[{"name":"bob","gpu_hours":1.5,"percentage":100,"run_count":2,)"
      R"("manual_count":0}],"total_gpu_hours":1.5,"total_reservations":2,"unique_users":1,)"
      R"("days":7})";
  EXPECT_EQ(report_text(read_remote_report(answer), {}),
            "GPU hours of 7 days\n"
            "USER  GPU HOURS   SHARE  RUNS  MANUAL\n"
            "bob        1.50  100.0%     2       0\n"
            "total: 1.50 GPU hours, 2 reservations, 1 user\n");
  expect_error(ErrorKind::Failed, "'report'", [] { read_remote_report("[]"); });
}

}  // namespace
}  // namespace chg
