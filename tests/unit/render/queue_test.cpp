#include "render/queue.h"

#include "base/text.h"
#include "unit/render/samples.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using namespace samples;

class Queue : public InUtc {};

QueueEntry entry(int position, const std::string& user, std::vector<int> named) {
  Request request;
  request.id = "q" + std::to_string(position);
  request.account = {1000, user};
  request.count = named.empty() ? 2 : static_cast<int>(named.size());
  request.gpu_ids = std::move(named);
  request.enqueued = ago(hms(0, 2, position));
  Decision decision{request.id, position, {}, {}, {}};
  decision.reason = {request.count, request.gpu_ids, 0, {}};
  decision.reason.blockers = {{Blocker::Kind::Reserved, {3}, "alice", in(hms(1, 20, 0))}};
  return {request, decision};
}

QueueOverview two_wait() {
  QueueEntry first = entry(1, "bob", {});
  first.decision.held = {0};
  first.decision.reason.available = 1;
  first.decision.estimated_start = in(hms(1, 20, 0));
  first.request.note = "paper";
  QueueEntry second = entry(2, "carol", {3});
  second.request.kind = ReservationKind::Manual;
  second.request.label = "dora";
  return {noon(), {first, second}};
}

TEST_F(Queue, SaysThatNobodyWaits) { EXPECT_EQ(queue_text({noon(), {}}, {}), "nobody waits\n"); }

TEST_F(Queue, ShowsWhoWaitsForWhatAndWhy) {
  EXPECT_EQ(
      queue_text(two_wait(), {}),
      "POSITION  ID  USER          GPUS   TYPE    WAITED    REASON"
      "                                                                ESTIMATED START  NOTE\n"
      "       1  q1  bob           any 2  RUN     0h 2m 1s  waiting for 2 GPUs, 1 available: GPU 3 "
      "reserved by alice until 14:20  14:20            paper\n"
      "       2  q2  dora (carol)  GPU 3  MANUAL  0h 2m 2s  waiting for GPU 3, reserved by alice "
      "until 14:20                      unknown          -\n");
}

TEST_F(Queue, NeverEstimatesThePast) {
  QueueOverview queue = two_wait();
  queue.entries[0].decision.estimated_start = in(-hms(0, 1, 0));
  EXPECT_NE(queue_text(queue, {}).find("  now   "), std::string::npos);
}

TEST_F(Queue, AlwaysShowsTheIdThatCancelNeeds) {
  for (std::size_t columns = 40; columns <= 200; ++columns) {
    EXPECT_NE(queue_text(two_wait(), {.columns = columns}).find("q2"), std::string::npos);
  }
}

TEST_F(Queue, FitsWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    QueueOverview queue = two_wait();
    queue.entries[0].request.note = text;
    queue.entries[0].request.label = text;
    queue.entries[1].request.account.name = text;
    queue.entries[1].decision.reason.blockers[0].who = text;
    for (std::size_t columns = 40; columns <= 200; columns += 4) {
      const auto lines = lines_of(queue_text(queue, {.columns = columns}));
      ASSERT_EQ(lines.size(), 3U);
      for (const std::string& line : lines) {
        ASSERT_LE(display_width(line), columns) << line;
        ASSERT_FALSE(has_control(line)) << line;
      }
    }
    expect_documented(queue_json(queue), "queue");
  }
}

TEST_F(Queue, AsJsonDescribesEachRequest) {
  const json queue = json::parse(queue_json(two_wait()));
  const std::string reason = "waiting for 2 GPUs, 1 available: GPU 3 reserved by alice until 14:20";
  EXPECT_EQ(queue["entries"][0], json({{"id", "q1"},
                                       {"position", 1},
                                       {"user", "bob"},
                                       {"actual_user", "bob"},
                                       {"requested_count", 2},
                                       {"requested_ids", json::array()},
                                       {"allocated_gpus", {0}},
                                       {"allocated_count", 1},
                                       {"reservation_type", "run"},
                                       {"note", "paper"},
                                       {"enqueue_time", "2026-11-24T12:57:59Z"},
                                       {"wait_time", "0h 2m 1s"},
                                       {"wait_time_seconds", 121},
                                       {"reason", reason},
                                       {"estimated_start", "2026-11-24T14:20:00Z"}}));
  const json& second = queue["entries"][1];
  EXPECT_EQ(second["user"], "dora (carol)");
  EXPECT_EQ(second["actual_user"], "carol");
  EXPECT_EQ(second["requested_ids"], json({3}));
  EXPECT_EQ(second["allocated_gpus"], json::array());
  EXPECT_EQ(second["reservation_type"], "manual");
  EXPECT_FALSE(second.contains("estimated_start"));
  EXPECT_FALSE(second.contains("note"));
  EXPECT_EQ(queue["total_waiting"], 2);
  EXPECT_EQ(queue["total_gpus_requested"], 3);
  EXPECT_EQ(queue["total_gpus_allocated"], 1);
}

TEST_F(Queue, AsJsonIsComplete) {
  EXPECT_EQ(json::parse(queue_json({noon(), {}})), json({{"entries", json::array()},
                                                         {"total_waiting", 0},
                                                         {"total_gpus_requested", 0},
                                                         {"total_gpus_allocated", 0}}));
  expect_documented(queue_json(two_wait()), "queue");
  EXPECT_TRUE(queue_json(two_wait()).ends_with("\n}\n"));
}

}  // namespace
}  // namespace chg
