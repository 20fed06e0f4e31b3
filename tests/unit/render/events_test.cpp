#include "render/events.h"

#include <gtest/gtest.h>

#include "core/fields.h"
#include "support/full_pool.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using samples::json;

Event ended_by_root() {
  Event event = ended_event({"r1",
                             3,
                             {1000, "alice"},
                             "",
                             ReservationKind::Run,
                             WallTime(std::chrono::seconds(1'795'525'200)),
                             WallTime(std::chrono::seconds(1'795'525'290)),
                             EndReason::TimedOut});
  event.actor = Account{0, "root"};
  event.note = "why";
  event.command = "python train.py";
  return event;
}

TEST(EventLine, TellsWhatHappenedToWhomAndByWhom) {
  const std::string line = event_line(ended_by_root(), {});
  EXPECT_NE(line.find("  ended           r1  alice  GPU 3  timed out after 0h 1m 30s  by root  "
                      "\"why\"  python train.py\n"),
            std::string::npos)
      << line;
}

TEST(EventLine, LeavesOutWhoDidItWhereThatIsTheOwner) {
  Event event = ended_by_root();
  event.actor = event.owner;
  EXPECT_EQ(event_line(event, {}).find("  by "), std::string::npos);
  event.actor.reset();
  EXPECT_EQ(event_line(event, {}).find("  by "), std::string::npos);
}

TEST(EventLine, IsOneHarmlessLineWhateverIsInIt) {
  for (std::size_t i = 0; i < words_of(static_cast<const EventKind*>(nullptr)).size(); ++i) {
    const std::string line = event_line(full_event(static_cast<EventKind>(i)), {});
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_LT(line.size(), 1'500U);
  }
}

TEST(EventJson, IsOneLineAsTheSchemaSays) {
  const json root = samples::schema("event");
  for (std::size_t i = 0; i < words_of(static_cast<const EventKind*>(nullptr)).size(); ++i) {
    for (Event event : {full_event(static_cast<EventKind>(i)), Event{}}) {
      event.kind = static_cast<EventKind>(i);
      const std::string text = event_json(event);
      EXPECT_EQ(text.find('\n'), text.size() - 1);
      samples::expect_documented(json::parse(text), root, root, "event");
    }
  }
}

TEST(EventJson, KeepsWhoDidItApartFromWhoseItIs) {
  const json told = json::parse(event_json(ended_by_root()));
  EXPECT_EQ(told["account"], "alice");
  EXPECT_EQ(told["actor"], "root");
  EXPECT_EQ(told["how"], "timed_out");
  EXPECT_EQ(told["duration_seconds"], 90);
  EXPECT_EQ(told["time"], "2026-11-24T13:01:30Z");
}

}  // namespace
}  // namespace chg
