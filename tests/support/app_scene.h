// The use cases on a pool in memory, with a probe that tells what the test says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "app/context.h"
#include "process/identity.h"
#include "support/memory_store.h"
#include "support/pool_builder.h"

namespace chg {

/// Hands everything to another store, and notes the pool after each update. `strike` is called
/// before each (false) and after it has been made (true), and may throw.
class RecordingStore final : public Store {
 public:
  RecordingStore(Store& store, std::vector<Pool>& written, const std::function<void(bool)>& strike)
      : store_(store), written_(written), strike_(strike) {}

  void update(const std::function<void(Pool&)>& change) override {
    strike_(false);
    store_.update(change);
    written_.push_back(store_.read());
    strike_(true);
  }
  Pool read() override { return store_.read(); }
  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return store_.read_events(asked);
  }
  void forget_events(WallTime before) override { store_.forget_events(before); }
  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return store_.subscribe_to(request_id);
  }
  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return store_.subscribe_to_changes();
  }
  std::string location() const override { return "memory"; }

 private:
  Store& store_;
  std::vector<Pool>& written_;
  const std::function<void(bool)>& strike_;
};

class ScriptedProbe final : public Probe {
 public:
  explicit ScriptedProbe(std::function<Observation()> look) : look_(std::move(look)) {}
  Observation read_gpus() override { return look_(); }

 private:
  std::function<Observation()> look_;
};

/// A host whose clock, GPUs and store belong to the test. Processes are real ones.
struct AppScene {
  explicit AppScene(int gpus)
      : scene(gpus), context(world, {}, {{}, false, UserNamespace::First, ::getuid()}) {
    look = [this] {
      std::vector<GpuReading> readings;
      for (const Gpu& gpu : scene.pool.gpus) readings.push_back(reading(gpu.index));
      return scene.observation(readings);
    };
    save();
  }

  /// Puts the pool of the scene into the store.
  void save() {
    store.update([&](Pool& pool) { pool = scene.pool; });
  }

  std::unique_ptr<Store> recording_store() {
    return std::make_unique<RecordingStore>(store, written, strike);
  }

  Scene scene;
  MemoryStore store;
  std::vector<Pool> written;  ///< after each update by the code under test
  std::function<void(bool is_made)> strike = [](bool) {};  ///< trouble with the store
  std::function<Observation()> look;
  std::optional<Observation> last_seen;
  Inventory inventory;
  std::vector<ProbeChoice> choices;  ///< for which a probe was asked
  World world{
      scene.clock,
      [this](const std::string&) { return recording_store(); },
      [this](const std::string&, const std::optional<Sharing>&) { return recording_store(); },
      [this](const ProbeChoice& choice) {
        choices.push_back(choice);
        return std::make_unique<ScriptedProbe>([this] { return look(); });
      },
      [this](const ProbeChoice&) { return last_seen; },
      [this](Duration) { return inventory; },
      [](const std::string&) {},
      [](const std::string&, int) {}};
  Context context;
};

/// A process that has ended: this one's pid, as it was before.
inline ProcessIdentity dead_process() {
  ProcessIdentity process = self_identity();
  --process.start_ticks;
  return process;
}

}  // namespace chg
