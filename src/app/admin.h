// admin: set up or change the host's pool.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/context.h"

namespace chg {

struct AdminOptions {
  std::optional<int> gpus;  ///< missing: as many as the probe finds
  std::string provider;     ///< "": the pool's, or what the host has
  /// Clears reservations and queue, and what can't be read of the pool; believes `gpus`.
  bool force = false;
  std::optional<std::string> group;  ///< whose members share the store; missing: everybody
  std::optional<std::string> admin_group;
  std::vector<int> drain;
  std::vector<int> undrain;
  std::string note;  ///< of the drained
};

struct AdminResult {
  Pool pool;
  bool created = false;               ///< there was no pool before
  std::vector<int> gone;              ///< GPUs that were not found, and left the pool by `force`
  std::vector<int> gone_drained;      ///< those of them that stay drained if they come back
  std::vector<std::string> warnings;  ///< "GPU 0 can never be granted: …"
  int cleared_reservations = 0;
  int cleared_requests = 0;
  std::vector<std::string> damaged;  ///< what could not be read, and was taken out by `force`
};

/// Called before `force` takes reservations or requests away from people; false: leave all as it
/// is.
using Confirm = std::function<bool(const Pool&)>;

/// Throws Error: NotPermitted for those who are neither root, admin group nor the pool's creator;
/// Failed when the GPUs can't be read, or contradict `gpus`, or some of the pool would go, without
/// force.
AdminResult administer(Context& context, const AdminOptions& options, const Confirm& confirm);

}  // namespace chg
