#include "config/keys.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "config/policy_keys.h"

namespace chg {
namespace {

// A bound that no host reaches; it keeps sums and conversions from overflowing.
constexpr std::int64_t kGpusMax = 1'000'000;

using enum KeyType;

Key flag(std::string_view name, std::string_view meaning) {
  return {.name = name, .type = Bool, .default_text = "false", .meaning = meaning};
}

Key number(std::string_view name, std::int64_t value, std::int64_t min, std::int64_t max,
           std::string_view meaning) {
  return {.name = name,
          .type = Number,
          .default_text = fmt::to_string(value),
          .meaning = meaning,
          .min = min,
          .max = max};
}

Key choice(std::string_view name, std::string_view value, std::vector<std::string_view> words,
           std::string_view meaning) {
  return {.name = name,
          .type = Choice,
          .default_text = std::string(value),
          .meaning = meaning,
          .words = std::move(words)};
}

Key plain(std::string_view name, KeyType type, std::string_view meaning) {
  return {.name = name, .type = type, .default_text = {}, .meaning = meaning};
}

Key duration(std::string_view name, std::string_view value, std::string_view meaning) {
  return {.name = name, .type = TimeSpan, .default_text = std::string(value), .meaning = meaning};
}

// A key of the policy that somebody may also set for his own eyes: it has no default here.
Key own_view(std::string_view name) {
  const auto& policy = policy_keys();
  Key key =
      *std::find_if(policy.begin(), policy.end(), [&](const Key& one) { return one.name == name; });
  key.default_text.reset();
  return key;
}

std::vector<Key> general_keys() {
  Key hosts = plain("remote_hosts", List, "hosts that --all asks by ssh");
  hosts.default_text = "";
  return {
      plain("store", Store, "where the state of the pool is kept"),
      own_view("probe"),
      duration("probe.timeout", "10s", "how long reading the GPUs may take"),
      plain("fake.file", Path, "the simulated GPUs of the fake probe"),
      own_view("memory.threshold"),
      own_view("memory.process_threshold"),
      own_view("ignore_processes"),
      choice("amd.variable", "hip", {"hip", "rocr"},
             "tells jobs their AMD GPUs: HIP_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES"),
      std::move(hosts),
      duration("remote.timeout", "15s", "how long a host asked by ssh may take"),
      choice("color", "auto", {"auto", "always", "never"}, "whether output has colours"),
  };
}

// These say that the store is a Redis, and where; as does a URL for `store`.
std::vector<Key> redis_keys() {
  Key password = plain("redis.password", Text, "its password");
  password.is_secret = true;
  return {
      plain("redis.host", Text, "the host of a Redis that is the store"),
      number("redis.port", 6379, 1, 65535, "its port"),
      number("redis.db", 0, 0, 1'000'000, "its database"),
      plain("redis.socket", Path, "its Unix socket, instead of host and port"),
      plain("redis.username", Text, "its user, if not the default one"),
      std::move(password),
      flag("redis.tls", "refused when true: this version speaks no TLS"),
      plain("redis.prefix", Text, "what its keys begin with, if not canhazgpu"),
      number("redis.replicas", 0, 0, 100,
             "replicas that must confirm a run or reservation before it starts"),
  };
}

std::vector<Key> run_keys() {
  return {
      number("run.gpus", 1, 1, kGpusMax, "how many GPUs a run gets"),
      plain("run.gpu_ids", GpuIds, "which GPUs a run gets"),
      plain("run.timeout", TimeSpan, "how long a run may last"),
      duration("run.grace", "30s", "time between asking a run to end and killing it"),
      {.name = "run.signal",
       .type = Signal,
       .default_text = "INT",
       .meaning = "the signal that asks a run to end",
       .words = {"INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "KILL"}},
      choice("run.leftovers", "keep", {"keep", "kill", "release"},
             "what happens when processes outlive the command of their run"),
      plain("run.note", Text, "what a run is for, shown to others"),
      plain("run.user", Text, "a label for people who share an account"),
      flag("run.nonblock", "fail instead of waiting for GPUs"),
      plain("run.wait", TimeSpan, "how long to wait for GPUs"),
  };
}

std::vector<Key> reserve_keys() {
  return {
      number("reserve.gpus", 1, 1, kGpusMax, "how many GPUs to reserve"),
      plain("reserve.gpu_ids", GpuIds, "which GPUs to reserve"),
      duration("reserve.duration", "30m", "how long a manual reservation lasts"),
      plain("reserve.note", Text, "what a reservation is for, shown to others"),
      plain("reserve.user", Text, "a label for people who share an account"),
      flag("reserve.nonblock", "fail instead of waiting for GPUs"),
      plain("reserve.wait", TimeSpan, "how long to wait for GPUs"),
      flag("reserve.force", "take GPUs in unreserved use by oneself"),
      flag("reserve.short", "print the ids alone"),
      flag("reserve.json", "print JSON"),
  };
}

std::vector<Key> other_command_keys() {
  return {
      plain("release.user", Text, "a label for people who share an account"),
      flag("status.json", "print JSON"),
      flag("status.table", "print a table"),
      flag("status.summary", "print a summary"),
      flag("status.all", "show every host"),
      flag("queue.json", "print JSON"),
      flag("queue.all", "show every host"),
      number("report.days", 30, 1, 3650, "how many days back a report goes"),
      choice("report.by", "user", {"user", "gpu", "day"}, "what a report adds up"),
      flag("report.json", "print JSON"),
      flag("report.all", "show every host"),
  };
}

std::vector<Key> all_keys() {
  std::vector<Key> all;
  for (auto part : {general_keys, redis_keys, run_keys, reserve_keys, other_command_keys}) {
    for (Key& key : part()) all.push_back(std::move(key));
  }
  return all;
}

template <typename Meant>
std::optional<std::size_t> find_place(Meant is_meant) {
  const auto& table = keys();
  const auto found = std::find_if(table.begin(), table.end(), is_meant);
  if (found == table.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table.begin());
}

// A character of a key as its variable has it.
char in_variable(char c) {
  const bool is_lower = c >= 'a' && c <= 'z';
  return is_lower ? static_cast<char>(c - 'a' + 'A') : c == '.' || c == '-' ? '_' : c;
}

}  // namespace

const std::vector<Key>& keys() {
  static const std::vector<Key> table = all_keys();
  return table;
}

std::optional<std::size_t> find_key(std::string_view name) {
  return find_place([&](const Key& key) { return key.name == name; });
}

std::optional<std::size_t> find_key_of_variable(std::string_view variable) {
  if (!variable.starts_with(kEnvironmentPrefix)) return std::nullopt;
  variable.remove_prefix(kEnvironmentPrefix.size());
  return find_place([&](const Key& key) {
    return std::equal(
        key.name.begin(), key.name.end(), variable.begin(), variable.end(),
        [](char of_key, char of_variable) { return in_variable(of_key) == of_variable; });
  });
}

bool is_section(std::string_view name) {
  return std::any_of(keys().begin(), keys().end(), [&](const Key& key) {
    return key.name.size() > name.size() && key.name.starts_with(name) &&
           key.name[name.size()] == '.';
  });
}

std::string_view command_of(std::string_view name) {
  constexpr std::string_view kCommands[] = {"run",    "reserve", "release",
                                            "status", "queue",   "report"};
  const std::string_view section = name.substr(0, name.find('.'));
  const auto* found = std::find(std::begin(kCommands), std::end(kCommands), section);
  return found == std::end(kCommands) ? std::string_view() : *found;
}

bool is_foreign(std::string_view name) { return name == "web" || name.starts_with("web."); }

std::string environment_name(std::string_view key) {
  std::string name(kEnvironmentPrefix);
  std::transform(key.begin(), key.end(), std::back_inserter(name), in_variable);
  return name;
}

}  // namespace chg
