#include "core/limits.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "core/inner.h"

namespace chg {
namespace {

Limits limits_of(const Policy& policy, const Request& request) {
  if (request.unnamed) return strictest_limits(policy);
  return limits_on(policy, request.account.name, request.groups);
}

[[noreturn]] void refuse(const Policy& policy, const std::string& text, const std::string& hint) {
  const std::string contact =
      policy.contact.empty() ? "" : fmt::format("; or ask {}", printable(policy.contact, 60));
  throw Error(ErrorKind::NotPermitted, text, hint + contact);
}

}  // namespace

Quotas::Quotas(const Pool& pool) : policy_(pool.policy) {
  if (policy_.limits.empty()) return;
  for (const Reservation& reservation : pool.reservations) {
    // What is inside another is counted with that one.
    if (outer_of(pool, reservation) != nullptr) continue;
    taken_[reservation.account.uid] += static_cast<int>(reservation.gpus.size());
  }
}

std::optional<GpuLimit> Quotas::count(const Request& request) {
  if (policy_.limits.empty()) return std::nullopt;
  int& taken = taken_[request.account.uid];
  const int before = taken;
  taken += request.count;
  const auto allowed = limits_of(policy_, request).gpus;
  if (!allowed || taken <= *allowed) return std::nullopt;
  return GpuLimit{*allowed, before};
}

void require_gpu_limit(const Policy& policy, const Request& request) {
  const auto allowed = limits_of(policy, request).gpus;
  if (!allowed || request.count <= *allowed) return;
  refuse(policy,
         fmt::format("{} at once are more than you may have here: {} (limits.gpus)",
                     count_of(request.count, "GPU"), *allowed),
         "ask for fewer GPUs");
}

void apply_limits(const Policy& policy, Request& request) {
  const Limits limits = limits_of(policy, request);
  if (request.kind == ReservationKind::Manual) {
    return require_duration(policy, limits, request.duration.value());
  }
  if (!request.duration) {
    request.duration = policy.default_timeout ? policy.default_timeout : limits.timeout;
    if (limits.timeout) request.duration = std::min(*request.duration, *limits.timeout);
  }
  if (!limits.timeout || *request.duration <= *limits.timeout) return;
  refuse(policy,
         fmt::format("a run may last {} here (limits.timeout), and this one {}",
                     to_short_text(*limits.timeout), to_short_text(*request.duration)),
         fmt::format("run it with --timeout {}", to_short_text(*limits.timeout)));
}

void require_may_wait(const Pool& pool, const Request& request) {
  const auto allowed = limits_of(pool.policy, request).requests;
  if (!allowed) return;
  const auto waiting =
      std::count_if(pool.queue.begin(), pool.queue.end(),
                    [&](const Request& other) { return other.account.uid == request.account.uid; });
  if (waiting <= *allowed) return;
  refuse(pool.policy,
         fmt::format("no more than {} of your requests may wait here at once (limits.requests)",
                     *allowed),
         "see those that wait: canhazgpu queue");
}

void require_duration(const Policy& policy, const Limits& limits, Duration duration) {
  const auto longest = limits.duration;
  if (!longest || duration <= *longest) return;
  refuse(policy,
         fmt::format("a manual reservation may last {} here (limits.duration), and this one {}",
                     to_short_text(*longest), to_short_text(duration)),
         fmt::format("reserve for at most {}", to_short_text(*longest)));
}

}  // namespace chg
