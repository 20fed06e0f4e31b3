#include "app/store_backup.h"

#include <gtest/gtest.h>

#include "support/app_scene.h"
#include "support/full_pool.h"

namespace chg {
namespace {

TEST(StoreRestoreTest, WhatEndsWhileItWorksStaysEnded) {
  AppScene app(4);
  const Caller caller{{1000, ""}};
  app.scene.pool.creator_uid = caller.account.uid;
  app.scene.hold({.id = "released", .kind = ReservationKind::Manual, .gpus = {1}});
  app.scene.hold({.id = "kept", .kind = ReservationKind::Manual, .gpus = {2}});
  app.save();
  MemoryStore saved;
  saved.update([&](Pool& pool) {
    pool = app.scene.pool;
    // The store lacks this event, and so is updated before its pool is.
    pool.events.push_back(usage_event("earlier", 0, 10));
  });
  app.world.open_backup = [&](const std::string&) {
    return std::make_unique<RecordingStore>(saved, app.written, app.strike);
  };
  bool is_released = false;
  app.strike = [&](bool is_made) {
    if (!is_made || is_released) return;
    is_released = true;
    app.store.update(
        [&](Pool& pool) { end_reservation(pool, "released", app.scene.clock.now(), {}); });
  };
  ContextOptions options;
  options.store_url = "redis";
  Context context(app.world, options, caller);
  const StoreRestore restored = restore_store(context, "file");
  EXPECT_TRUE(is_released);
  EXPECT_EQ(restored.reservations, 0U);
  ASSERT_EQ(restored.pool.reservations.size(), 1U);
  EXPECT_EQ(restored.pool.reservations[0].id, "kept");
}

}  // namespace
}  // namespace chg
