// Rule 6: requests from where not all GPUs can be seen.
#include <gtest/gtest.h>

#include "core/overview.h"
#include "core/protocol.h"
#include "core/sight.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// Of who sees these GPUs alone.
Request request_from(Scene& scene, const Gpus& visible, const Ask& special) {
  Request made = scene.request(special);
  made.visible = visible;
  return made;
}

void ask_from(Scene& scene, const Gpus& visible, const Ask& special) {
  enqueue(scene.pool, request_from(scene, visible, special));
}

Observation partial(const Scene& scene, const std::vector<GpuReading>& readings) {
  Observation made = scene.observation(readings);
  made.is_partial = true;
  return made;
}

TEST(VisibleGpus, AreAllThatWereReadWhereSomeMayBeHidden) {
  const Scene scene(3);
  EXPECT_EQ(visible_gpus(scene.pool, partial(scene, {reading(2), broken_reading(0, "lost")})),
            (Gpus{0, 2}));
  EXPECT_EQ(visible_gpus(scene.pool, partial(scene, {})), Gpus{});
}

TEST(VisibleGpus, AreNotLimitedWhereNoneIsMissingOrNoneCanBeHidden) {
  const Scene scene(2);
  EXPECT_EQ(visible_gpus(scene.pool, partial(scene, {reading(0), reading(1)})), std::nullopt);
  EXPECT_EQ(visible_gpus(scene.pool, scene.observation({reading(0)})), std::nullopt);
}

TEST(Visible, GpusAloneAreGranted) {
  Scene scene(4);
  ask_from(scene, {1, 3}, {.id = "two", .count = 2});
  EXPECT_EQ(scene.schedule(), Ids{"two"});
  EXPECT_EQ(scene.gpus_of("two"), (Gpus{1, 3}));
}

TEST(Visible, GpusAloneAreGrantedUnderEachPolicy) {
  Scene scene(4);
  scene.pool.policy.allocation = AllocationPolicy::MostRecentlyPerUser;
  scene.gpu(0).last_used_by_uid[kAlice] = scene.now().wall;
  ask_from(scene, {2, 3}, {.id = "one"});
  scene.schedule();
  EXPECT_EQ(scene.gpus_of("one"), Gpus{2});
}

TEST(Visible, GpusAloneAreHeld) {
  Scene scene(3);
  scene.hold({.gpus = {0}});
  ask_from(scene, {0, 1}, {.id = "two", .count = 2});
  scene.ask({.id = "one"});
  EXPECT_EQ(scene.schedule(), Ids{"one"});
  EXPECT_EQ(scene.gpus_of("one"), Gpus{2});
  EXPECT_EQ(scene.decision("two").held, Gpus{1});
}

TEST(Visible, NothingIsHeldByWhoDoesNotSeeEnough) {
  Scene scene(2);
  ask_from(scene, {0}, {.id = "two", .count = 2});
  ask_from(scene, {0}, {.id = "named", .gpu_ids = {0, 1}});
  scene.ask({.id = "all", .count = 2});
  EXPECT_EQ(scene.decision("two").held, Gpus{});
  EXPECT_EQ(scene.schedule(), Ids{"all"});
  EXPECT_EQ(scene.waiting(), (Ids{"two", "named"}));
}

TEST(Visible, OthersAreToldAsTheReason) {
  Scene scene(3);
  scene.hold({.uid = kBob, .gpus = {0, 2}});
  ask_from(scene, {0}, {.id = "one"});
  const std::vector<Blocker> expected = {{Blocker::Kind::Reserved, {0}, "bob", {}},
                                         {Blocker::Kind::Invisible, {1, 2}, "", {}}};
  EXPECT_EQ(scene.decision("one").reason.blockers, expected);
}

TEST(Visible, GpusOfUnknownEndLeaveTheStartsOfOthersKnown) {
  Scene scene(2);
  scene.hold({.id = "x", .kind = ReservationKind::Manual, .gpus = {0}});
  scene.hold({.id = "y", .kind = ReservationKind::Manual, .gpus = {1}, .ends_in = hours(1)});
  ask_from(scene, {0}, {.id = "unknown"});
  ask_from(scene, {}, {.id = "never"});
  scene.ask({.id = "known", .gpu_ids = {1}});
  EXPECT_EQ(scene.decision("unknown").estimated_start, std::nullopt);
  EXPECT_EQ(scene.decision("never").estimated_start, std::nullopt);
  EXPECT_EQ(scene.decision("known").estimated_start, scene.now().wall + hours(1));
}

TEST(RequireVisible, RefusesWhatCanNeverBeGrantedThere) {
  Scene scene(4);
  expect_error(ErrorKind::Usage, "3 GPUs can never be granted here: 2 of 4 can be seen", [&] {
    require_visible(scene.pool, request_from(scene, {0, 2}, {.count = 3}));
  });
  expect_error(ErrorKind::Usage, "GPU 1 cannot be seen from here", [&] {
    require_visible(scene.pool, request_from(scene, {0, 2}, {.gpu_ids = {0, 1}}));
  });
  require_visible(scene.pool, request_from(scene, {0, 2}, {.count = 2}));
  require_visible(scene.pool, request_from(scene, {0, 2}, {.gpu_ids = {2}}));
  require_visible(scene.pool, scene.request({.count = 4}));
}

TEST(RequireVisible, IsAskedOfWhoArrivesAndNotOfWhoComesBack) {
  Scene scene(2);
  Request back = request_from(scene, {}, {.id = "back"});
  back.arrival = 1;
  Request fresh = back;
  fresh.id = "fresh";
  fresh.arrival = 0;
  expect_error(ErrorKind::Usage, "can never be granted here",
               [&] { join(scene.pool, fresh, scene.now()); });
  join(scene.pool, back, scene.now());
  EXPECT_EQ(scene.waiting(), Ids{"back"});
}

TEST(NoteSight, LetsARequestHaveWhatCameIntoSight) {
  Scene scene(2);
  ask_from(scene, {}, {.id = "one"});
  EXPECT_EQ(scene.schedule(), Ids{});
  note_sight(scene.pool, "one", partial(scene, {reading(1)}));
  EXPECT_EQ(scene.schedule(), Ids{"one"});
  EXPECT_EQ(scene.gpus_of("one"), Gpus{1});
}

// Alice asks for one of two GPUs, and has GPUs of more than 10 MB for used; on GPU 0 are 50 MB.
class Stricter : public ::testing::Test {
 protected:
  Stricter() {
    request_.arrival = 0;
    request_.process_threshold_mib = 10;
  }

  void arrive(const std::vector<GpuReading>& readings) {
    const Observation seen = scene_.observation(readings);
    chg::arrive(scene_.pool, request_, seen, scene_.given(&seen));
  }

  static GpuReading little_used(int index) {
    return reading(index, {{.uid = kBob, .memory_mib = 50}});
  }

  Scene scene_{2};
  Request request_ = scene_.request({.id = "mine"});
};

TEST_F(Stricter, GetsAGpuThatIsFreeByItsOwnThresholds) {
  arrive({little_used(0), reading(1)});
  EXPECT_EQ(request_.avoided, Gpus{0});
  EXPECT_EQ(scene_.schedule(), Ids{"mine"});
  EXPECT_EQ(scene_.gpus_of("mine"), Gpus{1});
}

TEST_F(Stricter, WaitsWithoutHoldingWhatOthersMayHave) {
  arrive({little_used(0), little_used(1)});
  scene_.ask({.id = "bobs", .uid = kBob, .count = 2});
  EXPECT_EQ(scene_.decision("mine").held, Gpus{});
  const std::vector<Blocker> expected = {{Blocker::Kind::Avoided, {0, 1}, "", {}}};
  EXPECT_EQ(scene_.decision("mine").reason.blockers, expected);
  EXPECT_EQ(scene_.decision("mine").estimated_start, std::nullopt);
  EXPECT_EQ(scene_.schedule(), Ids{"bobs"});
}

TEST_F(Stricter, GetsWhatANewLookShowsToBeFree) {
  arrive({little_used(0), little_used(1)});
  EXPECT_EQ(scene_.schedule(), Ids{});
  note_sight(scene_.pool, "mine", scene_.observation({reading(0), little_used(1)}));
  EXPECT_EQ(scene_.schedule(), Ids{"mine"});
  EXPECT_EQ(scene_.gpus_of("mine"), Gpus{0});
}

TEST_F(Stricter, GivesBackWhatItThenSeesInUse) {
  arrive({reading(0), little_used(1)});
  scene_.schedule();
  const Reservation granted = scene_.pool.reservations.front();
  const Observation seen = scene_.observation({little_used(0), reading(1)});
  EXPECT_FALSE(is_usable(scene_.pool, granted, request_, seen));
  refuse_grant(scene_.pool, request_, seen);
  EXPECT_EQ(scene_.schedule(), Ids{"mine"});
  EXPECT_EQ(scene_.gpus_of("mine"), Gpus{1});
  EXPECT_TRUE(is_usable(scene_.pool, scene_.pool.reservations.front(), request_, seen));
}

TEST_F(Stricter, UsesAGrantWhateverItSawBefore) {
  arrive({little_used(0), reading(1)});
  scene_.schedule();
  Reservation granted = scene_.pool.reservations.front();
  granted.gpus = {0};
  const Observation seen = scene_.observation({reading(0), reading(1)});
  EXPECT_TRUE(is_usable(scene_.pool, granted, request_, seen));
}

TEST_F(Stricter, TakesItsOwnProcessesGpuByForce) {
  request_.force = true;
  arrive({reading(0, {{.uid = kAlice, .memory_mib = 50}}), little_used(1)});
  EXPECT_EQ(request_.avoided, Gpus{1});
}

TEST_F(Stricter, ALaxerThresholdChangesNothing) {
  request_.process_threshold_mib = 1'000'000;
  const GpuReading used = reading(0, {{.uid = kBob, .memory_mib = 5000}});
  const Observation seen = scene_.observation({used, reading(1)});
  arrive({used, reading(1)});
  EXPECT_EQ(request_.avoided, Gpus{});
  scene_.observe(seen);
  scene_.schedule();
  EXPECT_EQ(scene_.gpus_of("mine"), Gpus{1});
  Reservation other = scene_.pool.reservations.front();
  other.gpus = {0};
  EXPECT_FALSE(is_usable(scene_.pool, other, request_, seen));
}

TEST(IsUsable, NotWhatWasNotSeen) {
  Scene scene(2);
  scene.ask({.id = "one"});
  const Request request = scene.pool.queue.front();
  scene.schedule();
  const Reservation& granted = *find_reservation(scene.pool, "one");
  const auto usable = [&](const Observation& seen) {
    return is_usable(scene.pool, granted, request, seen);
  };
  EXPECT_FALSE(usable(partial(scene, {reading(1)})));
  EXPECT_TRUE(usable(partial(scene, {reading(0)})));
}

TEST(Observe, SaysNothingOfWhatMayBeHidden) {
  Scene scene(3);
  scene.observe(scene.observation({reading(0), broken_reading(1, "GPU is lost")}));
  const Pool before = scene.pool;
  scene.clock.advance(seconds(1));
  scene.observe(partial(scene, {}));
  EXPECT_EQ(scene.pool, before);
  // What it sees, it tells.
  scene.observe(partial(scene, {reading(0, {{.uid = kBob}}), reading(1)}));
  EXPECT_EQ(scene.gpu(0).unavailable->uids, std::vector<std::uint32_t>{kBob});
  EXPECT_EQ(scene.gpu(1).unavailable, std::nullopt);
  EXPECT_EQ(scene.gpu(2).unavailable->what, "not found by the GPU tool");
}

TEST(Overview, ShowsWhatMayBeHiddenAsUnseen) {
  const Scene scene(2);
  const Observation seen = partial(scene, {reading(0)});
  const Overview view = overview(scene.pool, scene.given(&seen));
  EXPECT_EQ(view.gpus[0].status, GpuStatus::Available);
  EXPECT_EQ(view.gpus[1].status, GpuStatus::Error);
  EXPECT_EQ(view.gpus[1].error, "cannot be seen from here");
}

// GPU 1 can never be granted.
Scene with_a_useless_one(int gpus) {
  Scene scene(gpus);
  scene.gpu(1).unavailable = Unavailability{Unavailability::Kind::Never, scene.now(), "why", {}};
  scene.gpu(0).unavailable = Unavailability{Unavailability::Kind::Error, scene.now(), "lost", {}};
  return scene;
}

TEST(RequireAttainable, RefusesWhatCanNeverBeGranted) {
  Scene scene = with_a_useless_one(3);
  require_attainable(scene.pool, scene.request({.count = 2}));
  require_attainable(scene.pool, scene.request({.gpu_ids = {0, 2}}));
  expect_error(ErrorKind::Usage,
               "3 GPUs can never be granted: this host has 3 (0-2), but not GPU 1: why",
               [&] { require_attainable(scene.pool, scene.request({.count = 3})); });
  expect_error(ErrorKind::Usage, "GPU 1 can never be granted: why", [&] {
    require_attainable(scene.pool, scene.request({.gpu_ids = {1, 2}}));
  });
}

}  // namespace
}  // namespace chg
