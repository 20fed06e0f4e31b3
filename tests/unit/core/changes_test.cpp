// What people do to the pool, and who may (rules 10, 14).
#include "core/changes.h"

#include <gtest/gtest.h>

#include "base/duration_text.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

Caller caller(std::uint32_t uid) { return {account(uid), false}; }
Caller admin() { return {{0, "root"}, true}; }

// What is special about a selection.
struct Select {
  Gpus gpu_ids = {};
  std::optional<std::string> label = {};
  bool runs = false;
};

// GPUs 0 and 1: alice's, by hand. GPU 2: bob's, by hand. GPU 3: a live run of alice's. GPU 4: free.
class Changes : public ::testing::Test {
 protected:
  Changes() {
    scene_.hold(
        {.id = "alices", .kind = ReservationKind::Manual, .gpus = {0, 1}, .ends_in = hours(2)});
    scene_.hold({.id = "bobs",
                 .uid = kBob,
                 .kind = ReservationKind::Manual,
                 .gpus = {2},
                 .ends_in = hours(2)});
    scene_.hold({.id = "run", .gpus = {3}, .holder = 9, .supervisor = 10});
  }

  Released release_as(const Caller& who, const Select& what) {
    return release(scene_.pool, who, {what.gpu_ids, what.label, what.runs}, scene_.now());
  }

  // That the action fails in this way and changes nothing.
  void expect_refused(ErrorKind kind, const std::string& part,
                      const std::function<void()>& action) {
    const Pool before = scene_.pool;
    expect_error(kind, part, action);
    EXPECT_EQ(scene_.pool, before);
  }

  Scene scene_{5};
};

TEST_F(Changes, ReleaseGivesBackTheCallersManualReservations) {
  const Released released = release_as(caller(kAlice), {});
  EXPECT_EQ(released.gpus, (Gpus{0, 1}));
  EXPECT_EQ(find_reservation(scene_.pool, "alices"), nullptr);
  ASSERT_EQ(usage_of(scene_.pool.events).size(), 2U);
  EXPECT_EQ(usage_of(scene_.pool.events)[0].end, EndReason::Released);
  EXPECT_EQ(usage_of(scene_.pool.events)[0].ended, scene_.now().wall);
}

TEST_F(Changes, ReleaseKeepsLiveRunsAndCountsThem) {
  const Released released = release_as(caller(kAlice), {});
  EXPECT_EQ(released.runs_kept, 1);
  EXPECT_TRUE(released.runs.empty());
  ASSERT_NE(find_reservation(scene_.pool, "run"), nullptr);
  EXPECT_EQ(find_reservation(scene_.pool, "run")->ending, std::nullopt);
}

TEST_F(Changes, ReleaseNamesTheLiveRunsThatAreToBeEnded) {
  const Released released = release_as(caller(kAlice), {.runs = true});
  EXPECT_EQ(released.gpus, (Gpus{0, 1}));
  ASSERT_EQ(released.runs.size(), 1U);
  EXPECT_EQ(released.runs[0].id, "run");
  EXPECT_EQ(released.runs_kept, 0);
  // It ends with its job; the pool notes why.
  ASSERT_NE(find_reservation(scene_.pool, "run"), nullptr);
  EXPECT_EQ(find_reservation(scene_.pool, "run")->ending, EndReason::Killed);
}

TEST_F(Changes, ReleaseKeepsOtherPeoplesReservations) {
  release_as(caller(kAlice), {.runs = true});
  EXPECT_NE(find_reservation(scene_.pool, "bobs"), nullptr);
}

TEST_F(Changes, ReleaseByAnAdminWithoutIdsMeansHisOwn) {
  EXPECT_EQ(release_as(admin(), {}).gpus, Gpus{});
  EXPECT_EQ(scene_.pool.reservations.size(), 3U);
}

TEST_F(Changes, ReleaseOfNothingReleasesNothing) {
  const Pool before = scene_.pool;
  EXPECT_EQ(release_as(caller(kCarol), {}).gpus, Gpus{});
  EXPECT_EQ(scene_.pool, before);
}

TEST_F(Changes, ReleaseOfSomeGpusKeepsTheOthers) {
  scene_.clock.advance(minutes(30));
  EXPECT_EQ(release_as(caller(kAlice), {.gpu_ids = {1}}).gpus, Gpus{1});
  EXPECT_EQ(scene_.gpus_of("alices"), Gpus{0});
  ASSERT_EQ(usage_of(scene_.pool.events).size(), 1U);
  EXPECT_EQ(usage_of(scene_.pool.events)[0].gpu, 1);
  EXPECT_EQ(scene_.gpu(1).last_released, scene_.now());
  EXPECT_EQ(scene_.gpu(0).last_released, std::nullopt);
}

TEST_F(Changes, ReleaseOfAnothersGpuIsRefused) {
  expect_refused(ErrorKind::NotPermitted, "GPU 2 is reserved by bob",
                 [&] { release_as(caller(kAlice), {.gpu_ids = {2}}); });
}

TEST_F(Changes, ReleaseIsAllOrNothing) {
  expect_refused(ErrorKind::NotPermitted, "GPU 2", [&] {
    release_as(caller(kAlice), {.gpu_ids = {0, 2}});
  });
}

TEST_F(Changes, ReleaseOfAnothersGpuIsAllowedToAnAdmin) {
  EXPECT_EQ(release_as(admin(), {.gpu_ids = {2}}).gpus, Gpus{2});
}

TEST_F(Changes, ReleaseOfALiveRunIsRefusedWithoutTheWish) {
  expect_refused(ErrorKind::Failed, "GPU 3 is reserved by a live run of alice",
                 [&] { release_as(caller(kAlice), {.gpu_ids = {3}}); });
}

TEST_F(Changes, ReleaseOfAFreeGpuChangesNothing) {
  const Pool before = scene_.pool;
  const Released released = release_as(caller(kAlice), {.gpu_ids = {4}});
  EXPECT_EQ(released.not_reserved, Gpus{4});
  EXPECT_EQ(released.gpus, Gpus{});
  EXPECT_TRUE(scene_.pool == before);
}

TEST_F(Changes, ReleaseOfAnUnknownGpuIsRefused) {
  expect_refused(ErrorKind::Usage, "unknown GPU '5': this host has 5 (0-4)",
                 [&] { release_as(caller(kAlice), {.gpu_ids = {5}}); });
}

TEST_F(Changes, ReleaseOfAnothersRunIsRefusedThoughItIsWished) {
  expect_refused(ErrorKind::NotPermitted, "GPU 3",
                 [&] { release_as(caller(kBob), {.gpu_ids = {3}, .runs = true}); });
}

// Labels are for people who share an account. They choose; they never give a right (rule 14).

TEST_F(Changes, ReleaseChoosesByLabel) {
  scene_.hold({.id = "anns", .label = "ann", .kind = ReservationKind::Manual, .gpus = {4}});
  const Released released = release_as(caller(kAlice), {.label = "ann"});
  EXPECT_EQ(released.gpus, Gpus{4});
  EXPECT_EQ(released.labels_kept, (Ids{""}));
}

TEST_F(Changes, ReleaseWithoutLabelKeepsTheLabelled) {
  scene_.hold({.id = "anns", .label = "ann", .kind = ReservationKind::Manual, .gpus = {4}});
  const Released released = release_as(caller(kAlice), {.label = ""});
  EXPECT_EQ(released.gpus, (Gpus{0, 1}));
  EXPECT_EQ(released.labels_kept, (Ids{"ann"}));
}

TEST_F(Changes, ReleaseOfAnyLabelTakesThemAll) {
  scene_.hold({.id = "anns", .label = "ann", .kind = ReservationKind::Manual, .gpus = {4}});
  EXPECT_EQ(release_as(caller(kAlice), {}).gpus, (Gpus{0, 1, 4}));
}

TEST_F(Changes, LabelGivesNoRightToAnothersReservation) {
  scene_.hold(
      {.id = "fake", .uid = kBob, .label = "alice", .kind = ReservationKind::Manual, .gpus = {4}});
  EXPECT_EQ(release_as(caller(kAlice), {.label = "alice"}).gpus, Gpus{});
  expect_refused(ErrorKind::NotPermitted, "GPU 4 is reserved by alice (bob)",
                 [&] { release_as(caller(kAlice), {.gpu_ids = {4}}); });
}

// extend

TEST_F(Changes, ExtendLengthensTheCallersManualReservations) {
  const auto extended = extend(scene_.pool, caller(kAlice), {}, hours(3));
  ASSERT_EQ(extended.size(), 1U);
  EXPECT_EQ(extended[0].id, "alices");
  EXPECT_EQ(extended[0].gpus, (Gpus{0, 1}));
  EXPECT_EQ(extended[0].expires, scene_.now().wall + hours(5));
  EXPECT_EQ(find_reservation(scene_.pool, "alices")->ends, scene_.now().wall + hours(5));
  EXPECT_EQ(find_reservation(scene_.pool, "bobs")->ends, scene_.now().wall + hours(2));
}

TEST_F(Changes, ExtendOfTwoGpusOfOneReservationExtendsItOnce) {
  const auto extended = extend(scene_.pool, caller(kAlice), {0, 1}, hours(1));
  ASSERT_EQ(extended.size(), 1U);
  EXPECT_EQ(extended[0].expires, scene_.now().wall + hours(3));
}

TEST_F(Changes, ExtendOfAnothersIsRefusedButToAdmins) {
  expect_refused(ErrorKind::NotPermitted, "GPU 2",
                 [&] { extend(scene_.pool, caller(kAlice), {2}, hours(1)); });
  EXPECT_EQ(extend(scene_.pool, admin(), {2}, hours(1)).size(), 1U);
}

TEST_F(Changes, ExtendOfARunIsRefused) {
  expect_refused(ErrorKind::Failed, "GPU 3 is reserved by a run, which has no expiry",
                 [&] { extend(scene_.pool, caller(kAlice), {3}, hours(1)); });
}

TEST_F(Changes, ExtendOfNothingIsRefused) {
  expect_refused(ErrorKind::Failed, "no manual reservation",
                 [&] { extend(scene_.pool, caller(kCarol), {}, hours(1)); });
  expect_refused(ErrorKind::Failed, "GPU 4 is not reserved",
                 [&] { extend(scene_.pool, caller(kAlice), {4}, hours(1)); });
  expect_refused(ErrorKind::Usage, "unknown GPU '7'",
                 [&] { extend(scene_.pool, caller(kAlice), {7}, hours(1)); });
}

TEST_F(Changes, ExtendGoesNoFurtherThanTheLongestDuration) {
  extend(scene_.pool, caller(kAlice), {}, kDurationMax - hours(2));
  expect_refused(ErrorKind::Usage, "cannot be longer than",
                 [&] { extend(scene_.pool, caller(kAlice), {}, Duration(1)); });
}

// cancel

class Cancel : public ::testing::Test {
 protected:
  Cancel() {
    scene_.hold({.uid = kCarol});
    scene_.ask({.id = "abc1", .uid = kAlice});
    scene_.ask({.id = "abd2", .uid = kBob});
    scene_.ask({.id = "xyz3", .uid = kAlice, .label = "ann"});
  }

  Scene scene_{1};
};

TEST_F(Cancel, TakesTheRequestOutAndReturnsIt) {
  const Request cancelled = cancel(scene_.pool, caller(kAlice), "abc1");
  EXPECT_EQ(cancelled.id, "abc1");
  EXPECT_EQ(cancelled.account.uid, kAlice);
  EXPECT_EQ(scene_.waiting(), (Ids{"abd2", "xyz3"}));
}

TEST_F(Cancel, KnowsARequestByTheBeginningOfItsId) {
  cancel(scene_.pool, caller(kAlice), "x");
  EXPECT_EQ(scene_.waiting(), (Ids{"abc1", "abd2"}));
}

TEST_F(Cancel, RefusesABeginningThatSeveralHave) {
  expect_error(ErrorKind::Failed, "more than one request begins with 'ab'",
               [&] { cancel(scene_.pool, caller(kAlice), "ab"); });
  EXPECT_EQ(scene_.waiting().size(), 3U);
}

TEST_F(Cancel, RefusesWhatNobodyHas) {
  for (const std::string id : {"zzz", "bc1", "abc12"}) {
    expect_error(ErrorKind::Failed, "no request '" + id + "' waits",
                 [&] { cancel(scene_.pool, caller(kAlice), id); });
  }
}

TEST_F(Cancel, RefusesAnEmptyIdThoughOnlyOneWaits) {
  scene_.pool.queue.resize(1);
  expect_error(ErrorKind::Failed, "no request ''",
               [&] { cancel(scene_.pool, caller(kAlice), ""); });
}

TEST_F(Cancel, RefusesOtherPeoplesButToAdmins) {
  expect_error(ErrorKind::NotPermitted, "request 'abd2' belongs to bob",
               [&] { cancel(scene_.pool, caller(kAlice), "abd2"); });
  EXPECT_EQ(scene_.waiting().size(), 3U);
  cancel(scene_.pool, admin(), "abd2");
  EXPECT_EQ(scene_.waiting(), (Ids{"abc1", "xyz3"}));
}

TEST_F(Cancel, AsksNoLabel) {
  cancel(scene_.pool, caller(kAlice), "xyz3");
  EXPECT_EQ(scene_.waiting(), (Ids{"abc1", "abd2"}));
}

TEST(Authority, BelongsToTheOwnersUidRootAndTheAdminGroup) {
  EXPECT_TRUE(may_change(caller(kAlice), account(kAlice)));
  EXPECT_TRUE(may_change({account(kBob), true}, account(kAlice)));
  EXPECT_FALSE(may_change(caller(kBob), account(kAlice)));
}

TEST(DisplayName, ShowsALabelWithItsAccount) {
  EXPECT_EQ(display_name(account(kBob), "ann"), "ann (bob)");
  EXPECT_EQ(display_name(account(kBob), ""), "bob");
  EXPECT_EQ(display_name(account(kBob), "bob"), "bob");
}

}  // namespace
}  // namespace chg
