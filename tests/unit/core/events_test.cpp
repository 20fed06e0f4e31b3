// Each transition writes one event, which says who did what.
#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/fields.h"
#include "core/protocol.h"
#include "core/restore.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const Caller kRoot{{0, "root"}, true};

class Events : public ::testing::Test {
 protected:
  /// The only event since the last call.
  Event next() {
    EXPECT_EQ(scene_.pool.events.size(), 1U);
    Event event = scene_.pool.events.empty() ? Event{} : scene_.pool.events.front();
    scene_.pool.events.clear();
    return event;
  }

  std::vector<EventKind> kinds() const {
    std::vector<EventKind> all;
    for (const Event& event : scene_.pool.events) all.push_back(event.kind);
    return all;
  }

  Scene scene_{3};
};

using Kinds = std::vector<EventKind>;

TEST_F(Events, OfARunTellItsLife) {
  Request request = scene_.request({.id = "r", .label = "ann", .note = "why", .count = 2});
  request.command = "python train.py";
  request.enqueued = {};
  join(scene_.pool, request, scene_.now());
  const Event queued = next();
  EXPECT_EQ(queued.kind, EventKind::Queued);
  EXPECT_EQ(queued.actor, account(kAlice));
  EXPECT_EQ(queued.count, 2);
  EXPECT_TRUE(queued.gpus.empty());

  scene_.schedule();
  const Event granted = next();
  EXPECT_EQ(granted.kind, EventKind::Granted);
  EXPECT_EQ(granted.actor, std::nullopt);
  EXPECT_EQ(granted.gpus, (Gpus{0, 1}));

  begin_run(scene_.pool, "r", process(7), scene_.now());
  EXPECT_EQ(next().kind, EventKind::Taken);
  begin_run(scene_.pool, "r", process(7), scene_.now());
  EXPECT_EQ(kinds(), Kinds{}) << "the reply to the first time was lost";

  scene_.clock.advance(hours(1));
  end_run(scene_.pool, "r", scene_.now());
  const Event ended = next();
  EXPECT_EQ(ended.kind, EventKind::Ended);
  EXPECT_EQ(ended.actor, account(kAlice));
  EXPECT_EQ(ended.how, EndReason::Finished);
  EXPECT_EQ(ended.gpus, (Gpus{0, 1}));
  EXPECT_EQ(ended.at, scene_.now().wall);
  EXPECT_EQ(ended.started, scene_.now().wall - hours(1));
  for (const Event& event : {queued, granted, ended}) {
    EXPECT_EQ(event.id, "r");
    EXPECT_EQ(event.owner, account(kAlice));
    EXPECT_EQ(event.label, "ann");
    EXPECT_EQ(event.note, "why");
    EXPECT_EQ(event.command, "python train.py");
  }
}

TEST_F(Events, TellThatAManualReservationIsTakenOnce) {
  scene_.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1), .holder = 10});
  EXPECT_TRUE(claim(scene_.pool, "m", hours(2), scene_.now()));
  EXPECT_TRUE(claim(scene_.pool, "m", hours(2), scene_.now()));
  const Event taken = next();
  EXPECT_EQ(taken.kind, EventKind::Taken);
  EXPECT_EQ(taken.reservation_kind, ReservationKind::Manual);
  EXPECT_EQ(taken.ends, scene_.now().wall + hours(2));
}

TEST_F(Events, NameWhoKilledARunHoweverItsEndIsFound) {
  for (const bool by_supervisor : {true, false}) {
    scene_.hold({.id = "run", .gpus = {0}, .holder = 10});
    release(scene_.pool, kRoot, {.gpu_ids = {0}, .label = {}, .runs = true}, scene_.now());
    EXPECT_EQ(kinds(), Kinds{}) << "it goes on until its job has ended";
    if (by_supervisor) {
      end_run(scene_.pool, "run", scene_.now());
    } else {
      scene_.liveness.set(10, Liveness::Gone);
      scene_.reap();
    }
    const Event ended = next();
    EXPECT_EQ(ended.how, EndReason::Killed);
    EXPECT_EQ(ended.actor, kRoot.account);
    EXPECT_EQ(ended.owner, account(kAlice));
  }
}

TEST_F(Events, NameNobodyWhereSomethingWasFoundToBeOver) {
  scene_.hold({.id = "run", .gpus = {0}, .holder = 10});
  scene_.liveness.set(10, Liveness::Gone);
  scene_.reap();
  EXPECT_EQ(next().actor, std::nullopt);
  scene_.hold({.id = "m",
               .kind = ReservationKind::Manual,
               .gpus = {1},
               .ends_in = -minutes(1),
               .age = hours(1)});
  scene_.reap();
  const Event expired = next();
  EXPECT_EQ(expired.actor, std::nullopt);
  EXPECT_EQ(expired.at, scene_.now().wall - minutes(1))
      << "when it was over, not when it was found";
  scene_.hold({.id = "late", .gpus = {2}, .holder = 11, .supervisor = 12});
  find_reservation(scene_.pool, "late")->ending = EndReason::TimedOut;
  end_run(scene_.pool, "late", scene_.now());
  EXPECT_EQ(next().actor, std::nullopt);
}

TEST_F(Events, NameWhoReleasedOnWhichGpus) {
  scene_.hold({.id = "m", .kind = ReservationKind::Manual, .gpus = {0, 1, 2}});
  release(scene_.pool, kRoot, {.gpu_ids = {2, 0}, .label = {}}, scene_.now());
  const Event released = next();
  EXPECT_EQ(released.actor, kRoot.account);
  EXPECT_EQ(released.gpus, (Gpus{0, 2}));
  EXPECT_EQ(usage_of(released).size(), 2U);
  EXPECT_EQ(scene_.gpus_of("m"), Gpus{1});
}

TEST_F(Events, NameWhoExtendedAndUntilWhen) {
  scene_.hold({.id = "m", .kind = ReservationKind::Manual, .ends_in = hours(1)});
  extend(scene_.pool, kRoot, {0}, hours(1));
  const Event extended = next();
  EXPECT_EQ(extended.kind, EventKind::Extended);
  EXPECT_EQ(extended.actor, kRoot.account);
  EXPECT_EQ(extended.ends, scene_.now().wall + hours(2));
}

TEST_F(Events, TellARequestThatWasCancelledFromOneThatLeft) {
  scene_.hold({.id = "all", .gpus = {0, 1, 2}});
  scene_.ask({.id = "a", .gpu_ids = {1}});
  cancel(scene_.pool, kRoot, "a");
  const Event cancelled = next();
  EXPECT_EQ(cancelled.kind, EventKind::Cancelled);
  EXPECT_EQ(cancelled.actor, kRoot.account);
  EXPECT_EQ(cancelled.gpus, Gpus{1});
  scene_.ask({.id = "b"});
  withdraw(scene_.pool, "b");
  EXPECT_EQ(next().actor, account(kAlice));
  scene_.ask({.id = "c", .pid = 33});
  scene_.liveness.set(33, Liveness::Gone);
  drop_gone_waiters(scene_.pool, scene_.given());
  const Event gone = next();
  EXPECT_EQ(gone.kind, EventKind::Withdrawn);
  EXPECT_EQ(gone.actor, std::nullopt);
}

TEST_F(Events, SayWhyAWaiterThatIsGoneIsNotServed) {
  scene_.ask({.id = "gone", .pid = 33});
  scene_.liveness.set(33, Liveness::Gone);
  scene_.schedule();
  EXPECT_EQ(next().kind, EventKind::Withdrawn);
}

// A script may ask with --nonblock every second.
TEST_F(Events, AreNoneOfARequestThatCameAndWentInOneUpdate) {
  scene_.hold({.id = "all", .gpus = {0, 1, 2}});
  Request request = scene_.request({.id = "r"});
  request.enqueued = {};
  join(scene_.pool, request, scene_.now());
  EXPECT_TRUE(withdraw(scene_.pool, "r"));
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_FALSE(withdraw(scene_.pool, "r"));
}

TEST_F(Events, TellThatAGrantWasGivenBackOrDropped) {
  Request request = scene_.request({.id = "r"});
  scene_.ask({.id = "r"});
  scene_.schedule();
  scene_.pool.events.clear();
  return_to_queue(scene_.pool, request);
  EXPECT_EQ(next().gpus, Gpus{0});
  scene_.schedule();
  scene_.pool.events.clear();
  discard(scene_.pool, "r");
  EXPECT_EQ(next().kind, EventKind::Withdrawn);
  discard(scene_.pool, "r");
  EXPECT_EQ(kinds(), Kinds{});
}

TEST_F(Events, TellThatTheStoreHadLostARequest) {
  Request request = scene_.request({.id = "r"});
  request.arrival = 1;
  join(scene_.pool, request, scene_.now());
  EXPECT_EQ(next().detail, "again: the store had lost it");
  join(scene_.pool, request, scene_.now());
  EXPECT_EQ(kinds(), Kinds{}) << "the pool has it";
}

TEST_F(Events, TellWhichGpusARestoredRunHasLostAndGotBack) {
  scene_.hold({.id = "run", .gpus = {0, 1}, .holder = 10, .supervisor = 11});
  const Reservation run = scene_.pool.reservations.front();
  scene_.pool.reservations.clear();
  scene_.hold({.id = "other", .kind = ReservationKind::Manual, .gpus = {1}});
  restore(scene_.pool, run);
  ASSERT_EQ(kinds(), (Kinds{EventKind::Restored, EventKind::GpusLost}));
  EXPECT_EQ(scene_.pool.events[0].gpus, Gpus{0});
  EXPECT_EQ(scene_.pool.events[1].gpus, Gpus{1});
  scene_.end("other");
  scene_.pool.events.clear();
  scene_.schedule();
  const Event back = next();
  EXPECT_EQ(back.kind, EventKind::GpusRestored);
  EXPECT_EQ(back.gpus, Gpus{1});
}

TEST_F(Events, OfThePoolNameWhoChangedIt) {
  set_service(scene_.pool, kRoot, {1, 2}, "fan");
  const Event drained = next();
  EXPECT_EQ(drained.kind, EventKind::Drained);
  EXPECT_EQ(drained.actor, kRoot.account);
  EXPECT_EQ(drained.note, "fan");
  EXPECT_EQ(drained.gpus, (Gpus{1, 2}));
  set_service(scene_.pool, kRoot, {1}, std::nullopt);
  EXPECT_EQ(next().kind, EventKind::Undrained);
  set_service(scene_.pool, kRoot, {}, std::nullopt);
  EXPECT_EQ(kinds(), Kinds{});
}

TEST_F(Events, OfAClearedPoolTellWhatEverybodyLost) {
  scene_.hold({.id = "m", .gpus = {0}});
  scene_.ask({.id = "r", .uid = kBob});
  clear(scene_.pool, {account(kCarol), true}, scene_.now());
  EXPECT_EQ(kinds(), (Kinds{EventKind::Cleared, EventKind::Ended, EventKind::Cancelled}));
  for (const Event& event : scene_.pool.events) EXPECT_EQ(event.actor, account(kCarol));
  EXPECT_EQ(scene_.pool.events[1].owner, account(kAlice));
  EXPECT_EQ(scene_.pool.events[2].owner, account(kBob));
}

TEST_F(Events, GetTheTimeOfTheUpdateUnlessTheyHaveOne) {
  scene_.hold(
      {.id = "m", .kind = ReservationKind::Manual, .ends_in = -minutes(5), .age = hours(1)});
  scene_.reap();
  scene_.ask({.id = "r"});
  scene_.schedule();
  stamp_events(scene_.pool, scene_.now().wall);
  ASSERT_EQ(kinds(), (Kinds{EventKind::Ended, EventKind::Granted}));
  EXPECT_EQ(scene_.pool.events[0].at, scene_.now().wall - minutes(5));
  EXPECT_EQ(scene_.pool.events[1].at, scene_.now().wall);
}

TEST(UsageOf, IsNoneOfWhatIsNoEnd) {
  for (std::size_t i = 0; i < words_of(static_cast<const EventKind*>(nullptr)).size(); ++i) {
    Event event = ended_event(UsageRecord());
    event.kind = static_cast<EventKind>(i);
    EXPECT_EQ(usage_of(event).size(), event.kind == EventKind::Ended ? 1U : 0U);
  }
}

TEST(UsageOf, GivesBackTheRecordThatAnEventWasMadeOf) {
  const UsageRecord record{"r",
                           5,
                           account(kBob),
                           "label",
                           ReservationKind::Manual,
                           WallTime(minutes(1)),
                           WallTime(minutes(2)),
                           EndReason::Released};
  EXPECT_EQ(usage_of(ended_event(record)), std::vector{record});
}

TEST(ShortCommandText, IsOneHarmlessLineThatIsCut) {
  EXPECT_EQ(short_command_text({"python", "a b.py", "--x"}), "python a b.py --x");
  EXPECT_EQ(short_command_text({"echo", "\x1b[31m\n"}), "echo \\x1b[31m\\n");
  EXPECT_LT(short_command_text({std::string(5000, 'x')}).size(), 210U);
}

}  // namespace
}  // namespace chg
