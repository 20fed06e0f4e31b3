#include "config/policy_keys.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "config/file.h"

namespace chg {
namespace {

// Bounds that no host reaches; they keep sums and conversions from overflowing.
constexpr std::int64_t kMegabytesMax = 1'000'000'000;
constexpr std::int64_t kCountMax = 1'000'000;

using enum KeyType;

// --- members as values, and back ---

Value as_value(std::uint64_t number) { return static_cast<std::int64_t>(number); }
Value as_value(int number) { return std::int64_t{number}; }
Value as_value(Duration duration) { return duration; }
Value as_value(const std::string& text) { return text.empty() ? Value() : Value(text); }
Value as_value(const std::vector<std::string>& items) { return items; }
Value as_value(AllocationPolicy policy) {
  return std::string(policy == AllocationPolicy::LeastRecentlyUsed ? "lru" : "mru-per-user");
}

template <typename Type>
Value as_value(const std::optional<Type>& value) {
  return value ? as_value(*value) : Value();
}

void assign(std::uint64_t& member, const Value& value) {
  member = static_cast<std::uint64_t>(std::get<std::int64_t>(value));
}
void assign(int& member, const Value& value) {
  member = static_cast<int>(std::get<std::int64_t>(value));
}
void assign(Duration& member, const Value& value) { member = std::get<Duration>(value); }
void assign(std::string& member, const Value& value) { member = std::get<std::string>(value); }
void assign(std::vector<std::string>& member, const Value& value) {
  member = std::get<std::vector<std::string>>(value);
}
void assign(AllocationPolicy& member, const Value& value) {
  member = std::get<std::string>(value) == "lru" ? AllocationPolicy::LeastRecentlyUsed
                                                 : AllocationPolicy::MostRecentlyPerUser;
}

template <typename Type>
void assign(std::optional<Type>& member, const Value& value) {
  assign(member.emplace(), value);
}

// A key and the member of Owner (Policy or Limits) that it stands for.
template <typename Owner>
struct MemberKey {
  Key key;
  Value (*get)(const Owner&);
  void (*set)(Owner&, const Value&);
  void (*reset)(Owner&);
};

template <auto Member, typename Owner>
MemberKey<Owner> member_key(Key key, const Owner& defaults) {
  MemberKey<Owner> made{std::move(key), [](const Owner& owner) { return as_value(owner.*Member); },
                        [](Owner& owner, const Value& value) { assign(owner.*Member, value); },
                        [](Owner& owner) { owner.*Member = Owner{}.*Member; }};
  const Value value = made.get(defaults);
  if (!std::holds_alternative<std::monostate>(value)) made.key.default_text = to_text(value);
  return made;
}

Key key_of(std::string_view name, KeyType type, std::string_view meaning) {
  Key key;
  key.name = name;
  key.type = type;
  key.meaning = meaning;
  return key;
}

Key number(std::string_view name, std::int64_t max, std::string_view meaning) {
  Key key = key_of(name, Number, meaning);
  key.max = max;
  return key;
}

Key choice(std::string_view name, std::vector<std::string_view> words, std::string_view meaning) {
  Key key = key_of(name, Choice, meaning);
  key.words = std::move(words);
  return key;
}

Key span_or_none(std::string_view name, std::string_view meaning) {
  Key key = key_of(name, TimeSpan, meaning);
  key.takes_zero = true;
  return key;
}

const std::vector<MemberKey<Policy>>& plain_keys() {
  static const std::vector<MemberKey<Policy>> table = [] {
    const Policy defaults;
    return std::vector<MemberKey<Policy>>{
        member_key<&Policy::allocation>(choice("allocation.policy", {"lru", "mru-per-user"},
                                               "which of the free GPUs a request gets"),
                                        defaults),
        member_key<&Policy::heartbeat_interval>(
            key_of("heartbeat.interval", TimeSpan, "how often a run says that it is alive"),
            defaults),
        member_key<&Policy::heartbeat_timeout>(
            key_of("heartbeat.timeout", TimeSpan,
                   "a run out of sight is over when it was silent for longer than this"),
            defaults),
        member_key<&Policy::memory_threshold_mib>(
            number("memory.threshold", kMegabytesMax,
                   "a GPU is in use if more MB than this belong to no listed process"),
            defaults),
        member_key<&Policy::process_threshold_mib>(
            number("memory.process_threshold", kMegabytesMax,
                   "a GPU is in use if its processes hold more MB than this"),
            defaults),
        member_key<&Policy::ignore_processes>(
            key_of("ignore_processes", List, "system programs that do not count as use of a GPU"),
            defaults),
        member_key<&Policy::probe>(
            choice("probe", {"auto", "nvml", "nvidia-smi", "amd", "fake"}, "how GPUs are read"),
            defaults),
        member_key<&Policy::contact>(key_of("contact", Text, "whom users ask for help"), defaults),
        member_key<&Policy::leftovers_grace>(
            span_or_none("leftovers.grace",
                         "how long what outlives a run's command keeps its GPUs unused"),
            defaults),
        member_key<&Policy::history_kept>(
            key_of("history.kept", TimeSpan, "how long the history is kept"), defaults),
        member_key<&Policy::default_timeout>(
            key_of("default.timeout", TimeSpan, "--timeout of a run that has none"), defaults),
    };
  }();
  return table;
}

const std::vector<MemberKey<Limits>>& limit_keys() {
  static const std::vector<MemberKey<Limits>> table = {
      member_key<&Limits::gpus>(number("gpus", kCountMax, "GPUs that an account has at once"),
                                Limits{}),
      member_key<&Limits::duration>(
          key_of("duration", TimeSpan, "duration of a manual reservation"), Limits{}),
      member_key<&Limits::timeout>(key_of("timeout", TimeSpan, "--timeout of a run"), Limits{}),
      member_key<&Limits::requests>(
          number("requests", kCountMax, "requests of an account that wait at once"), Limits{}),
  };
  return table;
}

constexpr std::string_view kLimits = "limits.";

// "limits.group.students.gpus" is the subject "group.students" and the bound "gpus".
struct LimitName {
  std::string subject;
  const MemberKey<Limits>* bound;
};

std::optional<LimitName> limit_name(std::string_view name) {
  if (!name.starts_with(kLimits)) return std::nullopt;
  name.remove_prefix(kLimits.size());
  const std::size_t dot = name.rfind('.');
  const std::string subject(dot == name.npos ? "" : name.substr(0, dot));
  const std::string_view bound = dot == name.npos ? name : name.substr(dot + 1);
  const bool is_known = subject.empty() || (subject.starts_with("user.") && subject.size() > 5) ||
                        (subject.starts_with("group.") && subject.size() > 6);
  const auto& table = limit_keys();
  const auto found = std::find_if(table.begin(), table.end(), [&](const MemberKey<Limits>& one) {
    return one.key.name == bound;
  });
  if (!is_known || found == table.end()) return std::nullopt;
  return LimitName{subject, &*found};
}

const MemberKey<Policy>* find_plain(std::string_view name) {
  const auto& table = plain_keys();
  const auto found = std::find_if(table.begin(), table.end(), [&](const MemberKey<Policy>& one) {
    return one.key.name == name;
  });
  return found == table.end() ? nullptr : &*found;
}

[[noreturn]] void refuse_unknown_policy(const std::string& name, const Origin& origin) {
  std::vector<std::string> known;
  for (const Key& key : policy_keys()) known.emplace_back(key.name);
  for (const auto& one : limit_keys()) known.push_back(fmt::format("{}{}", kLimits, one.key.name));
  const std::string meant = name.size() > 64 ? "" : nearest(name, known);
  throw Error(
      ErrorKind::Usage,
      fmt::format("unknown key '{}' of the policy (from {})", printable(name, 80), origin.text),
      meant.empty() ? "see all of them: canhazgpu policy"
                    : fmt::format("did you mean '{}'?", meant));
}

Limits& limits_of(Policy& policy, const std::string& subject) {
  const auto place = std::lower_bound(
      policy.limits.begin(), policy.limits.end(), subject,
      [](const Limits& one, const std::string& wanted) { return one.subject < wanted; });
  if (place != policy.limits.end() && place->subject == subject) return *place;
  Limits made;
  made.subject = subject;
  return *policy.limits.insert(place, std::move(made));
}

void drop_empty_limits(Policy& policy) {
  std::erase_if(policy.limits, [](const Limits& one) {
    Limits none;
    none.subject = one.subject;
    return one == none;
  });
}

}  // namespace

const std::vector<Key>& policy_keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all;
    for (const auto& one : plain_keys()) all.push_back(one.key);
    return all;
  }();
  return keys;
}

bool is_policy_key(std::string_view name) {
  return find_plain(name) != nullptr || limit_name(name).has_value();
}

void set_policy(Policy& policy, const std::string& key, const RawValue& value,
                const Origin& origin) {
  if (const auto limit = limit_name(key)) {
    Key named = limit->bound->key;
    named.name = key;
    limit->bound->set(limits_of(policy, limit->subject), parse_value(named, value, origin));
  } else if (const auto* plain = find_plain(key)) {
    plain->set(policy, parse_value(plain->key, value, origin));
  } else {
    refuse_unknown_policy(key, origin);
  }
}

void unset_policy(Policy& policy, const std::string& key) {
  if (const auto limit = limit_name(key)) {
    limit->bound->reset(limits_of(policy, limit->subject));
    drop_empty_limits(policy);
  } else if (const auto* plain = find_plain(key)) {
    plain->reset(policy);
  } else {
    refuse_unknown_policy(key, {Source::Flag, "policy unset"});
  }
}

Policy read_policy_file(const std::string& path) {
  Policy policy;
  for (const FileEntry& entry : read_config_file(path)) {
    const bool is_nothing = std::holds_alternative<std::monostate>(entry.value);
    if (is_nothing) continue;
    set_policy(policy, entry.key, entry.value,
               {Source::UserFile, entry.line > 0 ? fmt::format("{}:{}", path, entry.line) : path});
  }
  check_policy(policy);
  return policy;
}

void check_policy(const Policy& policy) {
  // A run that says that it is alive less often than the timeout would be given up while it lives.
  if (policy.heartbeat_timeout <= policy.heartbeat_interval) {
    throw Error(ErrorKind::Usage,
                fmt::format("heartbeat.timeout {} is not longer than heartbeat.interval {}",
                            to_short_text(policy.heartbeat_timeout),
                            to_short_text(policy.heartbeat_interval)),
                "set both: canhazgpu policy set heartbeat.interval=60s heartbeat.timeout=5m");
  }
  // A supervisor that finds no event of the end takes its run for one that the store has lost.
  constexpr Duration kHistoryMin = std::chrono::hours(24);
  if (policy.history_kept < kHistoryMin) {
    throw Error(
        ErrorKind::Usage,
        fmt::format("history.kept {} is shorter than a day", to_short_text(policy.history_kept)),
        "write a day or more: canhazgpu policy set history.kept=30d");
  }
}

std::vector<PolicyValue> policy_values(const Policy& policy) {
  std::vector<PolicyValue> values;
  const auto add = [&](std::string key, const Value& value, bool is_default) {
    const bool has_value = !std::holds_alternative<std::monostate>(value);
    values.push_back(
        {std::move(key), has_value ? std::optional(to_text(value)) : std::nullopt, is_default});
  };
  const Policy defaults;
  for (const auto& one : plain_keys()) {
    const Value value = one.get(policy);
    add(std::string(one.key.name), value, value == one.get(defaults));
  }
  for (const Limits& limits : policy.limits) {
    for (const auto& one : limit_keys()) {
      const Value value = one.get(limits);
      if (std::holds_alternative<std::monostate>(value)) continue;
      const std::string dot = limits.subject.empty() ? "" : ".";
      add(fmt::format("{}{}{}{}", kLimits, limits.subject, dot, one.key.name), value, false);
    }
  }
  return values;
}

}  // namespace chg
