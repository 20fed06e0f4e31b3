// The settings that decisions depend on, as plain values. `config` fills them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

/// Which of the free GPUs a request gets.
enum class AllocationPolicy {
  LeastRecentlyUsed,    ///< "lru": least recently released first, never used first of all
  MostRecentlyPerUser,  ///< "mru-per-user": the user's own most recently used first, then lru
};

/// What happens to processes of a run that outlive its command on its GPUs.
enum class Leftovers { Keep, Kill, Release };

struct Settings {
  AllocationPolicy policy = AllocationPolicy::LeastRecentlyUsed;
  Duration heartbeat_interval = std::chrono::seconds(60);
  Duration heartbeat_timeout = std::chrono::minutes(5);
  std::uint64_t process_threshold_mib = 100;  ///< counted processes together hold more: in use
  std::uint64_t memory_threshold_mib = 1024;  ///< memory of no listed process exceeds it: in use
  std::vector<std::string> ignore_processes = {"Xorg",
                                               "Xwayland",
                                               "X",
                                               "gnome-shell",
                                               "kwin_wayland",
                                               "kwin_x11",
                                               "mutter",
                                               "weston",
                                               "sway",
                                               "nvidia-cuda-mps-server",
                                               "nvidia-cuda-mps-control"};
};

}  // namespace chg
