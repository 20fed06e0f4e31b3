// The policy of a pool: what decides for everybody who uses it. It lies in the pool, so that nobody
// decides for others by what he sets himself. `config` has the keys that people know it by.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace chg {

/// Which of the free GPUs a request gets.
enum class AllocationPolicy {
  LeastRecentlyUsed,    ///< "lru": least recently released first, never used first of all
  MostRecentlyPerUser,  ///< "mru-per-user": the user's own most recently used first, then lru
};

/// What happens to processes of a run that outlive its command.
enum class Leftovers { Keep, Kill, Release };

/// Bounds on what one account may have. nullopt: no bound.
struct Limits {
  /// Whom they bound: "" every account, "user.NAME" one account, "group.NAME" each account of a
  /// group.
  std::string subject;
  std::optional<int> gpus;           ///< reserved at once
  std::optional<Duration> duration;  ///< of a manual reservation, from its start
  std::optional<Duration> timeout;   ///< of a run; a run that asks for none gets this one
  std::optional<int> requests;       ///< waiting at once

  bool operator==(const Limits&) const = default;
};

struct Policy {
  AllocationPolicy allocation = AllocationPolicy::LeastRecentlyUsed;
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
                                               "Hyprland",
                                               "plasmashell",
                                               "cinnamon",
                                               "firefox",
                                               "chrome",
                                               "chromium",
                                               "msedge",
                                               "brave",
                                               "nvidia-cuda-mps-server",
                                               "nvidia-cuda-mps-control"};
  std::string probe = "auto";  ///< how GPUs are read; "auto": what the provider calls for
  std::string contact;         ///< whom users ask; "": nobody is named
  /// For how long what outlives the command of a run keeps its GPUs without using them.
  Duration leftovers_grace = std::chrono::seconds(60);
  Duration history_kept = std::chrono::hours(24) * 90;
  std::optional<Duration> default_timeout;  ///< of a run that asks for none
  std::vector<Limits> limits;               ///< by subject, each once

  bool operator==(const Policy&) const = default;
};

/// How somebody wants to see the GPUs, where that differs from the policy. It decides nothing for
/// others.
struct View {
  std::optional<std::uint64_t> process_threshold_mib;
  std::optional<std::uint64_t> memory_threshold_mib;
  std::optional<std::vector<std::string>> ignore_processes;
};

/// The policy as this view shows it.
Policy seen_with(Policy policy, const View& view);

/// The bounds on an account that is in these groups: its own before those of its groups before
/// everybody's, each bound by itself. Of several groups the most generous one counts.
Limits limits_on(const Policy& policy, const std::string& account,
                 const std::vector<std::string>& groups);

/// The bounds on an account whose name and groups nobody vouches for: it may be in each group, so
/// each bound is the strictest of everybody's and all groups'. It has none of its own.
Limits strictest_limits(const Policy& policy);

}  // namespace chg
