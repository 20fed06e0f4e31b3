// The policy of a pool as people write it: KEY=VALUE. The keys of the limits are made of a subject
// and a bound: limits.gpus, limits.user.alice.gpus, limits.group.students.gpus.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"
#include "config/value.h"
#include "core/policy.h"

namespace chg {

/// A key of the policy, and its value as people write it; nullopt: none.
struct PolicyValue {
  std::string key;
  std::optional<std::string> value;
  bool is_default = true;

  bool operator==(const PolicyValue&) const = default;
};

/// The keys but those of limits, in the order in which people are shown them.
const std::vector<Key>& policy_keys();

/// Whether it is a key of the policy, one of limits included.
bool is_policy_key(std::string_view name);

/// Sets one key. Throws Error(Usage) for an unknown key, or a value that is not the key's; both are
/// named, with the origin.
void set_policy(Policy& policy, const std::string& key, const RawValue& value,
                const Origin& origin);

/// Puts the default back. Throws Error(Usage) for an unknown key.
void unset_policy(Policy& policy, const std::string& key);

/// The policy that a file describes: every key that the file leaves out has its default. Throws as
/// read_config_file and set_policy do.
Policy read_policy_file(const std::string& path);

/// Throws Error(Usage) for a policy whose values contradict each other.
void check_policy(const Policy& policy);

/// Every key with its value, those of limits behind the others.
std::vector<PolicyValue> policy_values(const Policy& policy);

}  // namespace chg
