#include "app/reserve.h"

#include <gtest/gtest.h>

#include "core/protocol.h"
#include "support/app_scene.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

Acquired reserve_for_an_hour(AppScene& app, const AcquireOptions& options = {}) {
  const Request request =
      app.scene.request({.id = "mine", .kind = ReservationKind::Manual, .duration = hours(1)});
  return reserve(app.context, request, options,
                 {[](const Decision&, const Instant&) {}, [](const Error&) {}});
}

TEST(Reserve, IsOneChangeWhereItIsGrantedOnArrival) {
  for (const bool nonblock : {false, true}) {
    AppScene app(1);
    ASSERT_TRUE(std::holds_alternative<Granted>(reserve_for_an_hour(app, {nonblock, {}})));
    ASSERT_EQ(app.written.size(), 1U);
    const Reservation& made = app.written[0].reservations.at(0);
    EXPECT_FALSE(made.holder);
    EXPECT_EQ(made.ends, app.scene.now().wall + hours(1));
  }
}

// The GPU was released while the probe looked: nothing is known of it until a second look.
TEST(Reserve, IsNotClaimedBeforeItsGpusWereSeen) {
  AppScene app(1);
  app.look = [&app, looks = 0]() mutable {
    const Observation seen = app.scene.observation({reading(0)});
    app.scene.clock.advance(seconds(1));
    if (++looks == 1) {
      app.store.update([&](Pool& pool) { pool.gpus[0].last_released = app.scene.now(); });
      app.scene.clock.advance(seconds(1));
    }
    return seen;
  };
  ASSERT_TRUE(std::holds_alternative<Granted>(reserve_for_an_hour(app)));
  ASSERT_EQ(app.written.size(), 2U);
  EXPECT_EQ(app.written[0].reservations.at(0).holder, self_identity());
  EXPECT_FALSE(app.written[1].reservations.at(0).holder);
  EXPECT_EQ(app.written[1].reservations.at(0).ends, app.scene.now().wall + hours(1));
}

// By another's newer reading, whoever asks uses the GPU, and may reserve it by force; by its own,
// nobody knows who does.
TEST(Reserve, IsNotClaimedOfWhatItsOwnReadingDoesNotShowAsUsable) {
  AppScene app(1);
  app.look = [&app] {
    const Observation seen = app.scene.observation({reading(0, {{.uid = std::nullopt}})});
    app.scene.clock.advance(seconds(1));
    app.store.update([&](Pool& pool) {
      pool.gpus[0].unavailable = use_by({kAlice});
      pool.gpus[0].unavailable->seen = app.scene.now();
    });
    return seen;
  };
  const Request request = app.scene.request(
      {.id = "mine", .kind = ReservationKind::Manual, .force = true, .duration = hours(1)});
  const Acquired acquired = reserve(app.context, request, {true, {}},
                                    {[](const Decision&, const Instant&) {}, [](const Error&) {}});
  EXPECT_TRUE(std::holds_alternative<NotGranted>(acquired));
  ASSERT_EQ(app.written.at(0).reservations.size(), 1U) << "it was not granted at first";
  EXPECT_EQ(app.written[0].reservations[0].holder, self_identity());
  EXPECT_TRUE(app.store.read().reservations.empty());
}

// It was stopped for a while, after it had read of its grant: bob got the GPU.
TEST(Reserve, GoesBackToItsPlaceWhenItsGrantWasPassedOn) {
  AppScene app(1);
  app.scene.hold({.id = "bobs", .uid = kBob, .kind = ReservationKind::Manual, .ends_in = hours(1)});
  app.save();
  const auto free_gpu = [&](Pool& pool) {
    pool.reservations.clear();
    schedule(pool, app.scene.given());
  };
  app.look = [&app, looks = 0]() mutable {
    if (++looks == 2) {
      app.store.update([&](Pool& pool) {
        Request mine = pool.reservations.at(0).request.value();
        mine.passed_over = true;
        return_to_queue(pool, mine);
        pool.reservations = app.scene.pool.reservations;
      });
    }
    return app.scene.observation({reading(0)});
  };
  std::vector<std::uint64_t> arrivals;
  const Request request =
      app.scene.request({.id = "mine", .kind = ReservationKind::Manual, .duration = hours(1)});
  const Acquired acquired = reserve(app.context, request, {},
                                    {[&](const Decision&, const Instant&) {
                                       arrivals.push_back(app.store.read().queue.at(0).arrival);
                                       app.store.update(free_gpu);
                                     },
                                     [](const Error&) {}});
  ASSERT_TRUE(std::holds_alternative<Granted>(acquired));
  EXPECT_FALSE(app.store.read().reservations.at(0).holder);
  ASSERT_EQ(arrivals.size(), 2U);
  EXPECT_EQ(arrivals[0], arrivals[1]);
  EXPECT_TRUE(app.store.history(WallTime::min()).empty());
}

TEST(Reserve, IsClaimedOnceWhenItIsNotToldThatItWas) {
  AppScene app(1);
  app.strike = [struck = false](bool is_made) mutable {
    if (struck || !is_made) return;
    struck = true;
    throw Error(ErrorKind::Failed, "the store is locked").with(Retry::Busy);
  };
  ASSERT_TRUE(std::holds_alternative<Granted>(reserve_for_an_hour(app)));
  ASSERT_EQ(app.written.size(), 2U);
  EXPECT_EQ(app.written[1].reservations, app.written[0].reservations);
}

TEST(Reserve, OfGpusThatNobodyCouldUseIsGivenBackAtOnce) {
  AppScene app(1);
  app.scene.pool.provider = "amd";
  app.scene.pool.gpus[0].uuid = "no id that a runtime knows";
  app.save();
  app.look = [&] {
    GpuReading gpu = reading(0);
    gpu.uuid = app.scene.pool.gpus[0].uuid;
    return app.scene.observation({gpu});
  };
  expect_error(ErrorKind::Failed, "no program can be told to use it", [&] {
    reserve_for_an_hour(app, {true, {}});
  });
  EXPECT_TRUE(app.store.read().reservations.empty());
  EXPECT_TRUE(app.store.history(WallTime::min()).empty());
}

}  // namespace
}  // namespace chg
