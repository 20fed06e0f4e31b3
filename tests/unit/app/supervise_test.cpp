#include "app/supervise.h"

#include <gtest/gtest.h>

#include "support/app_scene.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using std::chrono::seconds;

struct Recording {
  Recording() : app(1) {
    app.scene.hold({.id = "mine", .gpus = {0}});
    app.save();
  }

  void record(Duration patience) {
    record_supervisor(app.context, app.scene.pool.reservations[0], self_identity(), patience,
                      [this](const Error& error) { told.emplace_back(error.what()); });
  }

  std::optional<ProcessIdentity> supervisor() {
    return app.store.read().reservations.at(0).supervisor;
  }

  AppScene app;
  std::vector<std::string> told;
};

// Twice the same trouble, then none.
std::function<void(bool)> full_disk() {
  return [strikes = 0](bool is_made) mutable {
    if (!is_made && ++strikes <= 2) throw Error(ErrorKind::Failed, "no space left").passing();
  };
}

TEST(RecordSupervisor, TellsOfTroubleOnceAndTriesAgain) {
  Recording run;
  run.app.strike = full_disk();
  run.record(seconds(30));
  EXPECT_EQ(run.told, std::vector<std::string>{"no space left"});
  EXPECT_EQ(run.supervisor(), self_identity());
}

TEST(RecordSupervisor, WithoutPatienceFailsAtOnce) {
  Recording run;
  run.app.strike = full_disk();
  expect_error(ErrorKind::Failed, "no space left", [&] { run.record(Duration::zero()); });
  EXPECT_TRUE(run.told.empty());
  EXPECT_FALSE(run.supervisor());
}

}  // namespace
}  // namespace chg
