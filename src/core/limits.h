// What the policy allows an account: how much it may have and ask for.
#pragma once

#include <map>
#include <optional>

#include "core/pool.h"

namespace chg {

/// A bound on an account's GPUs that keeps a request waiting.
struct GpuLimit {
  int allowed = 0;  ///< by `limits.gpus`
  int taken = 0;    ///< what the account has, and what its earlier requests ask for

  bool operator==(const GpuLimit&) const = default;
};

/// How many GPUs each account has, while the queue is walked in its order.
class Quotas {
 public:
  explicit Quotas(const Pool& pool);

  /// The limit that this request would exceed now; nullopt: none. Counts the request as one that
  /// comes before those that follow: what an account asked for later does not get ahead of it.
  std::optional<GpuLimit> count(const Request& request);

 private:
  const Policy& policy_;
  std::map<std::uint32_t, int> taken_;  ///< by uid; empty where the policy has no limits
};

/// Throws Error(NotPermitted), which names the limit, when the request asks for more GPUs than its
/// account may have at once.
void require_gpu_limit(const Policy& policy, const Request& request);

/// Completes a new request as the policy says: a run without --timeout gets the default one, and
/// at most the longest that is allowed. Throws Error(NotPermitted), which names the limit, for a
/// request that asks for longer than is allowed.
void apply_limits(const Policy& policy, Request& request);

/// Throws Error(NotPermitted) when more requests of the account wait than it may have waiting.
/// `request` is one of them.
void require_may_wait(const Pool& pool, const Request& request);

/// Throws Error(NotPermitted) when a manual reservation of this length is longer than these limits
/// of an account, which the policy has, allow.
void require_duration(const Policy& policy, const Limits& limits, Duration duration);

}  // namespace chg
