// What a store has lost and its owners remember, and what was ended on purpose.
#include "core/restore.h"

#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/schedule.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// Three GPUs. Alice's run on 0 and 1 is remembered; the pool does not have it.
class Restore : public ::testing::Test {
 protected:
  Restore() {
    scene_.hold({.id = "run", .gpus = {0, 1}, .age = hours(1), .holder = 10, .supervisor = 11});
    scene_.pool.reservations.front().grant = 7;
    run_ = scene_.pool.reservations.front();
    scene_.pool.reservations.clear();
  }

  UsageRecord record(const std::string& id, EndReason end, Duration ago = minutes(10)) const {
    return {id,
            0,
            account(kAlice),
            "",
            ReservationKind::Run,
            run_.started.wall,
            scene_.now().wall - ago,
            end,
            run_.grant};
  }

  void hold_bobs(std::vector<int> gpus) {
    scene_.hold({.id = "bobs", .uid = kBob, .gpus = std::move(gpus)});
  }

  const Reservation* found() const { return find_reservation(scene_.pool, "run"); }

  Scene scene_{3};
  Reservation run_;
};

// What is to be restored.

TEST_F(Restore, IsForWhatWasNeverEnded) {
  EXPECT_EQ(to_restore(run_, {}, true), run_);
  EXPECT_EQ(to_restore(run_, {}, false), run_);
  EXPECT_EQ(to_restore(run_, {record("another", EndReason::Cleared)}, true), run_);
}

TEST_F(Restore, IsNotForWhatWasEndedOnPurpose) {
  for (const EndReason end : {EndReason::Finished, EndReason::Released, EndReason::Expired,
                              EndReason::TimedOut, EndReason::Killed, EndReason::Cleared}) {
    EXPECT_FALSE(to_restore(run_, {record("run", end)}, true));
  }
}

TEST_F(Restore, IsForWhatWasGivenUpForDeadAndLives) {
  const auto restored = to_restore(run_, {record("run", EndReason::Lost, minutes(10))}, true);
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->started.wall, scene_.ago(minutes(10)).wall)
      << "what was recorded is not counted twice";
  EXPECT_EQ(restored->started.boot, run_.started.boot)
      << "looks since its start have seen it, wherever the wall clock has been set to";
  EXPECT_FALSE(to_restore(run_, {record("run", EndReason::Lost)}, false));
}

TEST_F(Restore, IsNotForWhatWasEndedOnPurposeAfterItHadBeenGivenUp) {
  UsageRecord anew = record("run", EndReason::Cleared, minutes(5));
  anew.started = scene_.ago(minutes(10)).wall;
  EXPECT_FALSE(to_restore(run_, {record("run", EndReason::Lost, minutes(10)), anew}, true));
}

// The request was granted before, and that was given up for dead; or an older state had the request
// once more, and granted it anew.
TEST_F(Restore, IsForWhatWasEndedInAnotherGrantOnly) {
  for (const EndReason end : {EndReason::Lost, EndReason::Cleared}) {
    UsageRecord other = record("run", end);
    ++other.grant;
    EXPECT_EQ(to_restore(run_, {other}, true), run_);
    EXPECT_EQ(to_restore(run_, {other}, false), run_);
  }
}

TEST_F(Restore, ComparesNoClocks) {
  UsageRecord record = this->record("run", EndReason::Cleared);
  for (const Duration off : {-hours(40), hours(40)}) {
    record.started = run_.started.wall + off;
    record.ended = record.started + minutes(1);
    EXPECT_FALSE(to_restore(run_, {record}, true));
  }
}

// What the pool has.

TEST_F(Restore, KnowsTheSameReservationOnly) {
  EXPECT_FALSE(is_known(scene_.pool, run_));
  scene_.pool.reservations = {run_};
  EXPECT_TRUE(is_known(scene_.pool, run_));
  Reservation& reservation = scene_.pool.reservations.front();
  reservation.gpus = {0};
  EXPECT_FALSE(is_known(scene_.pool, run_));
  reservation.lost = {1};
  EXPECT_TRUE(is_known(scene_.pool, run_));
  reservation.supervisor.reset();
  EXPECT_FALSE(is_known(scene_.pool, run_));
  reservation = run_;
  reservation.started = scene_.now();
  EXPECT_TRUE(is_known(scene_.pool, run_)) << "only what is charged has another start";
  ++reservation.grant;
  EXPECT_FALSE(is_known(scene_.pool, run_)) << "it was granted anew";
}

// Back.

TEST_F(Restore, BringsBackWhatNobodyElseHas) {
  hold_bobs({2});
  scene_.gpu(0).unavailable = use_by({kAlice});
  restore(scene_.pool, run_);
  ASSERT_NE(found(), nullptr);
  EXPECT_EQ(*found(), run_);
  EXPECT_EQ(scene_.pool.reservations.front(), run_) << "they are in order of their starts";
  EXPECT_FALSE(scene_.gpu(0).unavailable);
}

TEST_F(Restore, TakesNothingFromAnother) {
  hold_bobs({0});
  restore(scene_.pool, run_);
  EXPECT_EQ(scene_.gpus_of("bobs"), Gpus{0});
  ASSERT_NE(found(), nullptr);
  EXPECT_EQ(found()->gpus, Gpus{1});
  EXPECT_EQ(found()->lost, Gpus{0});
}

TEST_F(Restore, IsWholeWhileNobodyElseHasAnyOfItsGpus) {
  EXPECT_TRUE(is_whole(scene_.pool, run_));
  restore(scene_.pool, run_);
  EXPECT_TRUE(is_whole(scene_.pool, run_));
  scene_.pool.reservations.clear();
  hold_bobs({1, 2});
  EXPECT_FALSE(is_whole(scene_.pool, run_));
  scene_.end("bobs");
  scene_.pool.gpus.erase(scene_.pool.gpus.begin());
  EXPECT_FALSE(is_whole(scene_.pool, run_));
}

TEST_F(Restore, StaysKnownWhenItHasLostAll) {
  hold_bobs({0, 1});
  restore(scene_.pool, run_);
  ASSERT_NE(found(), nullptr);
  EXPECT_EQ(found()->gpus, Gpus{});
  EXPECT_EQ(found()->lost, (Gpus{0, 1}));
  end_reservation(scene_.pool, "run", scene_.now(), EndReason::Finished);
  EXPECT_EQ(found(), nullptr);
  EXPECT_TRUE(usage_of(scene_.pool.events).empty());
}

TEST_F(Restore, BringsNothingBackToAPoolWithoutItsGpus) {
  scene_.pool.gpus = {scene_.gpu(2)};
  restore(scene_.pool, run_);
  EXPECT_EQ(found(), nullptr);
}

TEST_F(Restore, ReplacesWhatAnOlderStateSays) {
  scene_.ask({.id = "run"});
  restore(scene_.pool, run_);
  EXPECT_TRUE(scene_.pool.queue.empty());
  Reservation granted_anew = run_;
  granted_anew.gpus = {2};
  granted_anew.supervisor.reset();
  scene_.pool.reservations = {granted_anew};
  restore(scene_.pool, run_);
  EXPECT_EQ(scene_.pool.reservations, std::vector{run_});
}

TEST_F(Restore, ReturnsLostGpusThatNobodyHasAnyMore) {
  hold_bobs({0});
  restore(scene_.pool, run_);
  reclaim_lost_gpus(scene_.pool);
  EXPECT_EQ(found()->lost, Gpus{0});
  scene_.end("bobs");
  scene_.gpu(0).unavailable = use_by({kAlice});
  reclaim_lost_gpus(scene_.pool);
  EXPECT_EQ(*found(), run_);
  EXPECT_FALSE(scene_.gpu(0).unavailable);
}

TEST_F(Restore, ReturnsEachLostGpuToOneRunOnly) {
  hold_bobs({0});
  restore(scene_.pool, run_);
  Reservation other = run_;
  other.id = "other";
  other.gpus = {0};
  restore(scene_.pool, other);
  scene_.end("bobs");
  reclaim_lost_gpus(scene_.pool);
  EXPECT_EQ(scene_.gpus_of("other"), Gpus{0}) << "both began at the same moment";
  EXPECT_EQ(found()->lost, Gpus{0});
}

TEST_F(Restore, ReturnsLostGpusBeforeAnybodyWhoWaitsGetsThem) {
  hold_bobs({0});
  restore(scene_.pool, run_);
  scene_.ask({.id = "waits", .uid = kBob});
  scene_.ask({.id = "wants 0", .uid = kBob, .gpu_ids = {0}});
  scene_.end("bobs");
  EXPECT_EQ(scene_.schedule(), std::vector<std::string>{"waits"});
  EXPECT_EQ(scene_.gpus_of("waits"), Gpus{2});
  EXPECT_EQ(*found(), run_);
}

TEST(FindOrRestore, DoesNotTakeAGrantThatWasPassedOnForALostOne) {
  Scene scene(2);
  scene.ask({.id = "mine", .pid = 50});
  scene.schedule();
  const Reservation own = *find_reservation(scene.pool, "mine");
  const Lost lost{own, JobState::NotBegun};
  scene.liveness.set(50, Liveness::Stopped);
  scene.clock.advance(kStoppedPatience);
  pass_on_untaken(scene.pool, scene.given());
  ASSERT_EQ(scene.waiting(), Ids{"mine"});
  EXPECT_EQ(find_or_restore(scene.pool, own, lost), OwnChange::Taken);
  EXPECT_EQ(find_reservation(scene.pool, "mine"), nullptr);
  scene.pool.queue.clear();
  EXPECT_EQ(find_or_restore(scene.pool, own, lost), OwnChange::Made);
}

// The steps of a change, as they are asked for. The pool has the reservation in its nth update.
struct Asked {
  OwnChange change(int nth, JobState job, const std::vector<UsageRecord>& history = {}) {
    const auto update = [&](const std::optional<Lost>& lost) {
      steps.emplace_back(lost ? "restore" : "change");
      return --nth < 0 ? std::optional(OwnChange::Made) : std::nullopt;
    };
    const auto records = [&] {
      steps.emplace_back("history");
      return history;
    };
    return change_or_restore(own, {update, records, [&] {
                                     steps.emplace_back("job");
                                     return job;
                                   }});
  }

  Reservation own;
  Ids steps;
};

TEST(ChangeOrRestore, AsksForNothingElseWhereThePoolHasTheReservation) {
  Asked asked;
  EXPECT_EQ(asked.change(0, JobState::Running), OwnChange::Made);
  EXPECT_EQ(asked.steps, Ids{"change"});
}

TEST(ChangeOrRestore, ReadsTheHistoryAndThenAsksForTheJobBeforeItRestores) {
  Asked asked;
  EXPECT_EQ(asked.change(1, JobState::Running), OwnChange::Made);
  EXPECT_EQ(asked.steps, (Ids{"change", "history", "job", "restore"}));
}

TEST(ChangeOrRestore, RestoresNothingThatHasEnded) {
  Asked asked;
  UsageRecord end;
  end.end = EndReason::Killed;
  EXPECT_EQ(asked.change(1, JobState::Running, {end}), OwnChange::Ended);
  EXPECT_EQ(asked.steps, (Ids{"change", "history", "job"}));
}

}  // namespace
}  // namespace chg
