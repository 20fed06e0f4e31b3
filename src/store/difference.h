// What a change did to the pool, so that a store writes and announces just that.
#pragma once

#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

struct Difference {
  bool is_empty = true;
  bool heartbeats_only = true;  ///< nothing that anybody waits for
  bool manual_changed = false;  ///< a claimed manual reservation came, went, or changed
  bool provider_changed = false;
  bool policy_changed = false;
  bool identity_changed = false;  ///< of the host
  bool gpus_came_or_went = false;
  bool settings_changed = false;  ///< admin group, creator, next arrival, or which GPUs there are
  bool recall_changed = false;
  bool cancelled_changed = false;
  bool run_began = false;  ///< the supervisor of a run was recorded: its command is about to start
  std::vector<const Gpu*> gpus_written;
  std::vector<int> gpus_removed;
  std::vector<const Reservation*> reservations_written;
  std::vector<std::string> reservations_removed;
  std::vector<const Request*> requests_written;
  std::vector<std::string> requests_removed;

  /// What only those change who set the pool up, or are new in the queue.
  bool host_changed() const {
    return settings_changed || provider_changed || policy_changed || identity_changed;
  }
};

/// Compares two states of a pool. The pointers are into `after`.
Difference difference(const Pool& before, const Pool& after);

}  // namespace chg
