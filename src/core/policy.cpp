#include "core/policy.h"

#include <algorithm>

namespace chg {
namespace {

constexpr std::string_view kUser = "user.";
constexpr std::string_view kGroup = "group.";

bool is_for_group(const Limits& limits, const std::vector<std::string>& groups) {
  return limits.subject.starts_with(kGroup) &&
         std::find(groups.begin(), groups.end(), limits.subject.substr(kGroup.size())) !=
             groups.end();
}

template <typename Bound>
void raise(std::optional<Bound>& bound, const std::optional<Bound>& other) {
  if (other && (!bound || *bound < *other)) bound = other;
}

template <typename Bound>
void lower(std::optional<Bound>& bound, const std::optional<Bound>& other) {
  if (other && (!bound || *other < *bound)) bound = other;
}

template <typename Bound>
void fill(std::optional<Bound>& bound, const std::optional<Bound>& weaker) {
  if (!bound) bound = weaker;
}

// The bounds of `weaker` where `limits` has none.
void fill(Limits& limits, const Limits& weaker) {
  fill(limits.gpus, weaker.gpus);
  fill(limits.duration, weaker.duration);
  fill(limits.timeout, weaker.timeout);
  fill(limits.requests, weaker.requests);
}

Limits of_groups(const Policy& policy, const std::vector<std::string>& groups) {
  Limits highest;
  for (const Limits& limits : policy.limits) {
    if (!is_for_group(limits, groups)) continue;
    raise(highest.gpus, limits.gpus);
    raise(highest.duration, limits.duration);
    raise(highest.timeout, limits.timeout);
    raise(highest.requests, limits.requests);
  }
  return highest;
}

}  // namespace

Policy seen_with(Policy policy, const View& view) {
  if (view.process_threshold_mib) policy.process_threshold_mib = *view.process_threshold_mib;
  if (view.memory_threshold_mib) policy.memory_threshold_mib = *view.memory_threshold_mib;
  if (view.ignore_processes) policy.ignore_processes = *view.ignore_processes;
  return policy;
}

Limits limits_on(const Policy& policy, const std::string& account,
                 const std::vector<std::string>& groups) {
  if (policy.limits.empty()) return {};
  const auto add = [&](Limits& limits, const std::string& subject) {
    for (const Limits& one : policy.limits) {
      if (one.subject == subject) fill(limits, one);
    }
  };
  Limits limits;
  add(limits, std::string(kUser) + account);
  fill(limits, of_groups(policy, groups));
  add(limits, "");
  return limits;
}

Limits strictest_limits(const Policy& policy) {
  Limits lowest;
  for (const Limits& limits : policy.limits) {
    if (limits.subject.starts_with(kUser)) continue;
    lower(lowest.gpus, limits.gpus);
    lower(lowest.duration, limits.duration);
    lower(lowest.timeout, limits.timeout);
    lower(lowest.requests, limits.requests);
  }
  return lowest;
}

}  // namespace chg
