// A process changes the reservation that it answers for, whatever the store has forgotten.
#include "app/own_reservation.h"

#include <gtest/gtest.h>

#include "app/pool_update.h"
#include "support/app_scene.h"

namespace chg {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// Two GPUs, and a run of this process on both.
class OwnReservation : public ::testing::Test {
 protected:
  OwnReservation() {
    app_.scene.hold({.id = "run", .gpus = {0, 1}, .age = hours(1)});
    own_ = app_.scene.pool.reservations.front();
    own_.holder = own_.supervisor = self_identity();
    app_.scene.pool.reservations.front() = own_;
    app_.save();
  }

  void lose() {
    app_.scene.pool.reservations.clear();
    app_.save();
  }

  OwnChange note(const std::string& text, JobState job = JobState::Running) {
    return note(text, [job] { return job; });
  }

  OwnChange note(const std::string& text, const std::function<JobState()>& job) {
    return change_own(app_.context, own_, job, [&](Pool& pool, const Circumstances&) {
      find_reservation(pool, "run")->note = text;
    });
  }

  AppScene app_{2};
  Reservation own_;
};

TEST_F(OwnReservation, IsChangedWhereItIs) {
  EXPECT_EQ(note("a"), OwnChange::Made);
  EXPECT_EQ(app_.store.read().reservations.at(0).note, "a");
  EXPECT_EQ(own_.note, "a");
  EXPECT_EQ(app_.written.size(), 1U);
}

TEST_F(OwnReservation, IsBroughtBackWhenTheStoreHasForgottenIt) {
  const Reservation before = own_;
  lose();
  EXPECT_EQ(note("a"), OwnChange::Made);
  Reservation expected = before;
  expected.note = "a";
  EXPECT_EQ(app_.store.read().reservations, std::vector{expected});
}

TEST_F(OwnReservation, StaysEndedWhenSomebodyHasEndedIt) {
  update_pool(app_.context, nullptr, [&](Pool& pool, const Circumstances& given) {
    end_reservation(pool, "run", given.now, EndReason::Cleared);
  });
  EXPECT_EQ(note("a"), OwnChange::Ended);
  EXPECT_TRUE(app_.store.read().reservations.empty());
}

TEST_F(OwnReservation, ComesBackAfterItWasGivenUpForDeadOnlyIfItLives) {
  app_.store.update([&](Pool& pool) {
    Instant ended = app_.scene.ago(minutes(10));
    end_reservation(pool, "run", ended, EndReason::Lost);
  });
  EXPECT_EQ(note("a", JobState::Over), OwnChange::Ended);
  EXPECT_EQ(note("a", JobState::Running), OwnChange::Made);
  EXPECT_EQ(own_.started.wall, app_.scene.ago(minutes(10)).wall);
}

// Its commit was made, and the reply was lost.
TEST_F(OwnReservation, IsKnownThoughItWasBroughtBackUnnoticed) {
  app_.store.update([&](Pool& pool) {
    end_reservation(pool, "run", app_.scene.ago(minutes(10)), EndReason::Lost);
  });
  const Reservation before = own_;
  note("a");
  own_ = before;
  EXPECT_EQ(note("b", JobState::Over), OwnChange::Made);
  EXPECT_EQ(own_.started.wall, app_.scene.ago(minutes(10)).wall);
}

// Who looked before that may have seen a job that has ended since.
TEST_F(OwnReservation, IsAskedForItsJobWhenItIsKnownWhoEndedIt) {
  const auto unasked = [] {
    ADD_FAILURE() << "it is there";
    return JobState::Running;
  };
  EXPECT_EQ(note("a", unasked), OwnChange::Made);
  lose();
  // The history has been read by then: what is added to it is not seen.
  const auto is_ended_meanwhile = [&] {
    app_.store.update([&](Pool& pool) {
      UsageRecord record;
      record.reservation_id = "run";
      record.started = record.ended = own_.started.wall;
      record.end = EndReason::Cleared;
      pool.events.push_back(ended_event(record));
    });
    return JobState::Running;
  };
  EXPECT_EQ(note("a", is_ended_meanwhile), OwnChange::Made);
}

TEST_F(OwnReservation, DoesNotBeginOnLessThanAllItsGpus) {
  lose();
  app_.scene.hold({.id = "bobs", .uid = kBob, .gpus = {1}, .holder = 1});
  app_.scene.pool.reservations.front().holder = self_identity();
  app_.save();
  EXPECT_EQ(note("a", JobState::NotBegun), OwnChange::Taken);
  EXPECT_EQ(app_.store.read().reservations.size(), 1U);
  EXPECT_EQ(note("a", JobState::Running), OwnChange::Made);
  EXPECT_EQ(own_.gpus, Gpus{0});
  EXPECT_EQ(own_.lost, Gpus{1});
}

TEST_F(OwnReservation, BeginsWhenNobodyElseHasItsGpus) {
  lose();
  EXPECT_EQ(note("a", JobState::NotBegun), OwnChange::Made);
  EXPECT_EQ(own_.gpus, (Gpus{0, 1}));
}

TEST_F(OwnReservation, WaitsForAPoolThatIsNotThere) {
  app_.scene.pool = {};
  app_.save();
  EXPECT_EQ(note("a"), OwnChange::NoPool);
  EXPECT_EQ(app_.store.read(), Pool{});
}

TEST_F(OwnReservation, HasNoPlaceInAPoolWithoutItsGpus) {
  app_.scene.pool.gpus.pop_back();
  app_.scene.pool.gpus.front().index = 7;
  lose();
  EXPECT_EQ(note("a"), OwnChange::NoPool);
  EXPECT_TRUE(app_.store.read().reservations.empty());
}

}  // namespace
}  // namespace chg
