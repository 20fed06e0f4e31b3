// Makes up histories: what happens next on a host, from a seed and the state that the host is in.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "sim/event.h"
#include "sim/world.h"

namespace chg::sim {

class Generator {
 public:
  explicit Generator(std::uint64_t seed);

  const Setup& setup() const { return setup_; }
  Event next(const World& world);

 private:
  int below(int limit);
  bool chance(int percent) { return below(100) < percent; }
  template <typename Items>
  const auto& one_of(const Items& items) {
    return items[static_cast<std::size_t>(below(static_cast<int>(items.size())))];
  }

  Setup make_setup();
  void go_inside(const World& world, Event& event);
  std::int64_t pause_ms();
  std::uint32_t some_uid();
  Place some_place(int percent_in_containers);
  std::vector<int> some_gpus(int limit);
  int some_process(const World& world);
  int some_client(const World& world);
  std::optional<int> some_untaken(const World& world);

  Event arrive(const World& world);
  Event step(const World& world);
  Event happen(const World& world);
  Event harm(const World& world);
  Event touch_gpus(const World& world);
  Event ask(const World& world);
  Event rare(const World& world);

  std::mt19937_64 random_;
  int users_ = 2;
  int waiters_max_ = 12;
  bool has_containers_ = false;
  bool has_liars_ = false;
  Setup setup_;
  int last_number_ = 0;
  int probe_broken_ = 0;     ///< steps until it is mended
  int follow_ = -1;          ///< the client that goes on at once
  std::vector<int> broken_;  ///< GPUs
  std::vector<int> drained_;
  std::vector<int> stopped_;  ///< processes
};

}  // namespace chg::sim
