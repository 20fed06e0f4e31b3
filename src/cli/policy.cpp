#include "app/policy.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "config/policy_keys.h"
#include "render/json_output.h"

namespace chg {
namespace {

std::string shown(const std::optional<std::string>& value) {
  return value ? printable(*value) : "-";
}

std::string policy_text(const Policy& policy) {
  const std::vector<PolicyValue> values = policy_values(policy);
  std::size_t widest = 0;
  for (const PolicyValue& one : values) widest = std::max(widest, one.key.size());
  std::string text;
  for (const PolicyValue& one : values) {
    text += fmt::format("{:<{}}  {}{}\n", printable(one.key), widest, shown(one.value),
                        one.is_default ? "  (default)" : "");
  }
  return text;
}

// A line for each key that differs.
std::string changes_text(const PolicyChange& change) {
  const std::vector<PolicyValue> before = policy_values(change.before);
  const std::vector<PolicyValue> after = policy_values(change.after);
  const auto value_in = [](const std::vector<PolicyValue>& values, const std::string& key) {
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const PolicyValue& one) { return one.key == key; });
    return found == values.end() ? std::nullopt : found->value;
  };
  std::string text;
  const auto tell = [&](const std::string& key) {
    const auto was = value_in(before, key);
    const auto is = value_in(after, key);
    if (was != is) text += fmt::format("{}: {} -> {}\n", printable(key), shown(was), shown(is));
  };
  for (const PolicyValue& one : before) tell(one.key);
  for (const PolicyValue& one : after) {
    const bool is_new = std::none_of(before.begin(), before.end(), [&](const PolicyValue& other) {
      return other.key == one.key;
    });
    if (is_new) tell(one.key);
  }
  return text.empty() ? "nothing changes\n" : text;
}

// The same in one line, for the event.
std::string changes_line(const PolicyChange& change) {
  std::string text = changes_text(change);
  text.pop_back();
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
    text.replace(at, 1, ", ");
  }
  return text;
}

std::pair<std::string, std::string> key_and_value(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals != std::string::npos) return {word.substr(0, equals), word.substr(equals + 1)};
  throw Error(ErrorKind::Usage, fmt::format("'{}' is no KEY=VALUE", printable(word, 60)),
              "write: canhazgpu policy set heartbeat.timeout=10m");
}

void require_words(const std::vector<std::string>& words, const char* what,
                   const std::string& usage) {
  if (words.empty()) throw Error(ErrorKind::Usage, fmt::format("{} is missing", what), usage);
}

PolicyChange set_by_command(Session& session, const std::vector<std::string>& words) {
  require_words(words, "KEY=VALUE", "write: canhazgpu policy set KEY=VALUE");
  return change_policy(
      session.context(),
      [&](Policy& policy) {
        for (const std::string& word : words) {
          const auto [key, value] = key_and_value(word);
          set_policy(policy, key, value, {Source::Flag, "policy set"});
        }
        check_policy(policy);
      },
      changes_line);
}

PolicyChange unset_by_command(Session& session, const std::vector<std::string>& words) {
  require_words(words, "KEY", "write: canhazgpu policy unset KEY");
  return change_policy(
      session.context(),
      [&](Policy& policy) {
        for (const std::string& word : words) unset_policy(policy, word);
        check_policy(policy);
      },
      changes_line);
}

PolicyChange apply_by_command(Session& session, const std::vector<std::string>& words,
                              bool is_dry_run) {
  require_words(words, "FILE", "write: canhazgpu policy apply FILE");
  if (words.size() > 1) {
    throw Error(ErrorKind::Usage, fmt::format("unexpected word '{}'", printable(words[1], 60)),
                "write: canhazgpu policy apply FILE");
  }
  const Policy wanted = read_policy_file(words.front());
  if (is_dry_run) return {view_policy(session.context()), wanted};
  return change_policy(
      session.context(), [&](Policy& policy) { policy = wanted; }, changes_line);
}

std::string policy_json(const Policy& policy) {
  Json json = Json::object();
  for (const PolicyValue& one : policy_values(policy)) {
    json[one.key] = one.value ? Json(*one.value) : Json();
  }
  return json_text(json);
}

int execute_policy(Session& session, const Arguments& arguments) {
  const std::string action = arguments.value("ACTION").value_or("");
  const bool is_dry_run = arguments.has("dry-run");
  if (is_dry_run && action != "apply") {
    throw Error(ErrorKind::Usage, "--dry-run is of 'policy apply' alone",
                "write: canhazgpu policy apply FILE --dry-run");
  }
  if (action.empty()) {
    const Policy policy = view_policy(session.context());
    print(arguments.has("json") ? policy_json(policy) : policy_text(policy));
  } else if (action == "set") {
    print(changes_text(set_by_command(session, arguments.words)), kOutputHintOfChange);
  } else if (action == "unset") {
    print(changes_text(unset_by_command(session, arguments.words)), kOutputHintOfChange);
  } else if (action == "apply") {
    print(changes_text(apply_by_command(session, arguments.words, is_dry_run)),
          is_dry_run ? kOutputHint : kOutputHintOfChange);
  } else {
    throw Error(ErrorKind::Usage, fmt::format("unknown action '{}'", printable(action, 60)),
                "write: canhazgpu policy, or policy set, unset or apply");
  }
  return 0;
}

constexpr char kPolicyExamples[] =
    R"(  canhazgpu policy                                     show it
  sudo canhazgpu policy set heartbeat.timeout=10m allocation.policy=mru-per-user
  sudo canhazgpu policy set limits.gpus=4 limits.group.students.gpus=1
  sudo canhazgpu policy set limits.user.alice.duration=1d limits.timeout=2d
  sudo canhazgpu policy unset limits.gpus
  sudo canhazgpu policy apply policy.yaml --dry-run    say what would change

It is root's, the admin group's and the pool's creator's to change. 'apply' makes the policy
what the file says: keys that the file leaves out get their defaults.
limits: gpus at once, duration of a manual reservation, timeout of a run, waiting requests;
for every account, or for user.NAME or (each account of) group.NAME.)";

}  // namespace

Command policy_command() {
  return {.name = "policy",
          .help = "Show or change what the pool decides for everybody",
          .examples = kPolicyExamples,
          .options = {{"--dry-run", "", "Only say what 'apply' would change"},
                      {"-j,--json", "", "Print JSON"}},
          .operands = {{"ACTION", "set, unset or apply", true},
                       {"WORDS", "KEY=VALUE to set, KEY to unset, or FILE", true, true}},
          .execute = execute_policy};
}

}  // namespace chg
