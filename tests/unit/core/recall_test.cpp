// Rule 38: nothing is granted while runs are looked for that a store has lost.
#include "core/recall.h"

#include <gtest/gtest.h>

#include "core/restore.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::milliseconds;

// Three GPUs: alice's run on GPU 0 is known, bob waits for one, and GPU 2 is drained.
class RecallMissing : public ::testing::Test {
 protected:
  RecallMissing() {
    scene_.hold({.id = "known", .gpus = {0}, .holder = 10, .supervisor = 11});
    scene_.ask({.id = "bobs", .uid = kBob});
    scene_.gpu(2).out_of_service = "fan";
  }

  Ids update() {
    bring_up_to_date(scene_.pool, scene_.given());
    return scene_.schedule();
  }

  void come_back(const std::string& id) {
    Reservation run = scene_.pool.reservations.front();
    run.id = id;
    run.gpus = {1};
    restore(scene_.pool, run);
  }

  Scene scene_{3};
};

TEST_F(RecallMissing, GrantsNothingUntilTheyAreBack) {
  recall_missing(scene_.pool, {"known", "lost"}, scene_.now());
  EXPECT_EQ(scene_.pool.recall.runs, Ids{"lost"});
  EXPECT_EQ(update(), Ids{});
  come_back("lost");
  EXPECT_EQ(scene_.pool.recall, Recall{});
  EXPECT_EQ(scene_.gpus_of("lost"), Gpus{1});
  EXPECT_EQ(scene_.gpu(2).out_of_service, "fan");
  scene_.end("known");
  EXPECT_EQ(update(), Ids{"bobs"});
}

TEST_F(RecallMissing, WaitsForAllOfThem) {
  recall_missing(scene_.pool, {"lost", "too"}, scene_.now());
  come_back("lost");
  scene_.end("known");
  EXPECT_EQ(update(), Ids{});
}

TEST_F(RecallMissing, HoldsNobodyUpWhereNoneIsMissing) {
  recall_missing(scene_.pool, {"known"}, scene_.now());
  EXPECT_EQ(scene_.pool.recall, Recall{});
  EXPECT_EQ(update(), Ids{"bobs"});
}

TEST_F(RecallMissing, EndsWhenItsTimeIsOver) {
  recall_missing(scene_.pool, {"lost"}, scene_.now());
  scene_.clock.advance(kReturnPatience - milliseconds(1));
  EXPECT_EQ(update(), Ids{});
  EXPECT_EQ(time_to_end_of_recall(scene_.pool, scene_.now()), milliseconds(1));
  scene_.clock.advance(milliseconds(1));
  EXPECT_EQ(update(), Ids{"bobs"});
  EXPECT_EQ(time_to_end_of_recall(scene_.pool, scene_.now()), std::nullopt);
}

TEST_F(RecallMissing, EndsWithTheBoot) {
  recall_missing(scene_.pool, {"lost"}, scene_.now());
  scene_.clock.reboot();
  EXPECT_EQ(time_to_end_of_recall(scene_.pool, scene_.now()), Duration::zero());
  EXPECT_EQ(update(), Ids{"bobs"});
}

TEST(BeginRecall, HasLessPatienceWithThoseThatAreTold) {
  Scene scene(1);
  begin_recall(scene.pool, scene.now());
  EXPECT_EQ(time_to_end_of_recall(scene.pool, scene.now()), kRecallPatience);
}

}  // namespace
}  // namespace chg
