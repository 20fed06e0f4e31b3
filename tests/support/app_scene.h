// The use cases on a pool in memory, with a probe that tells what the test says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/host.h"
#include "process/identity.h"
#include "store/memory_store.h"
#include "support/pool_builder.h"

namespace chg {

/// Hands everything to another store, and notes the pool after each update.
class RecordingStore final : public Store {
 public:
  RecordingStore(Store& store, std::vector<Pool>& written) : store_(store), written_(written) {}

  void update(const std::function<void(Pool&)>& change) override {
    store_.update(change);
    written_.push_back(store_.read());
  }
  Pool read() override { return store_.read(); }
  std::vector<UsageRecord> history(WallTime from) override { return store_.history(from); }
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
};

class ScriptedProbe final : public Probe {
 public:
  explicit ScriptedProbe(std::function<Observation()> look) : look_(std::move(look)) {}
  Observation look() override { return look_(); }

 private:
  std::function<Observation()> look_;
};

/// A host whose clock, GPUs and store belong to the test. Processes are real ones.
struct AppScene {
  explicit AppScene(int gpus) : scene(gpus), host(world, {}) {
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

  Scene scene;
  MemoryStore store;
  std::vector<Pool> written;  ///< after each update by the code under test
  std::function<Observation()> look;
  std::optional<Observation> last_seen;
  Inventory inventory;
  std::vector<ProbeChoice> choices;  ///< for which a probe was asked
  World world{
      scene.clock,
      [this](const std::string&) { return std::make_unique<RecordingStore>(store, written); },
      [this](const std::string&, const std::optional<Sharing>&) {
        return std::make_unique<RecordingStore>(store, written);
      },
      [this](const ProbeChoice& choice) {
        choices.push_back(choice);
        return std::make_unique<ScriptedProbe>([this] { return look(); });
      },
      [this](const ProbeChoice&) { return last_seen; },
      [this] { return inventory; },
      [](const std::string&, int) {}};
  Host host;
};

/// A process that has ended: this one's pid, as it was before.
inline ProcessIdentity dead_process() {
  ProcessIdentity process = self_identity();
  --process.start_ticks;
  return process;
}

}  // namespace chg
