// Shell completion: scripts that ask the program what may come next.
#include <algorithm>

#include <fmt/format.h>

#include "app/view.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "config/keys.h"

namespace chg {
namespace {

// Behind "--" stands a command, and then what that command takes, which its own completion knows.
constexpr char kBash[] = R"sh(_canhazgpu_command() {
  local first=${COMP_WORDS[$1]}
  if (( COMP_CWORD == $1 )); then
    local IFS=$'\n'
    COMPREPLY=($(compgen -c -- "$first"))
    return
  fi
  if declare -F _command_offset >/dev/null; then _command_offset "$1"; return; fi
  [[ $(complete -p -- "$first" 2>/dev/null) =~ \ -F\ ([^ ]+) ]] || return
  COMP_WORDS=("${COMP_WORDS[@]:$1}")
  COMP_CWORD=$((COMP_CWORD - $1))
  COMP_LINE="${COMP_WORDS[*]}"
  COMP_POINT=${#COMP_LINE}
  "${BASH_REMATCH[1]}" "$first" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
}
_canhazgpu() {
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then _canhazgpu_command $((i + 1)); return; fi
  done
  local IFS=$'\n'
  COMPREPLY=($(canhazgpu __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _canhazgpu canhazgpu chg
)sh";

constexpr char kZsh[] = R"sh(#compdef canhazgpu chg
_canhazgpu() {
  local -i separator=${words[(i)--]}
  if (( separator < CURRENT )); then
    words=("${(@)words[separator + 1,-1]}")
    (( CURRENT -= separator ))
    _normal
    return
  fi
  local -a words_to_offer
  words_to_offer=(${(f)"$(canhazgpu __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#words_to_offer} )); then compadd -a words_to_offer; else _default; fi
}
compdef _canhazgpu canhazgpu chg
)sh";

constexpr char kFish[] = R"sh(function __canhazgpu
  set -l typed (commandline -opc)
  if set -l separator (contains -i -- -- $typed)
    set -l rest (string escape -- $typed[(math $separator + 1)..-1])
    complete -C (string join ' ' -- $rest (commandline -ct))
    return
  end
  canhazgpu __complete -- $typed[2..-1] (commandline -ct) 2>/dev/null
end
complete -c canhazgpu -a '(__canhazgpu)'
complete -c chg -a '(__canhazgpu)'
)sh";

std::string script_for(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  throw Error(ErrorKind::Usage, fmt::format("unknown shell '{}'", printable(shell, 60)),
              "bash, zsh and fish are known");
}

std::vector<std::string> option_names(const Command& command) {
  std::vector<std::string> names = {"--help"};
  for (const Option& option : command.options) {
    names.push_back(fmt::format("--{}", option.name()));
  }
  return names;
}

std::vector<std::string> gpu_ids(Session& session) {
  std::vector<std::string> ids;
  for (const Gpu& gpu : session.context().store().read().gpus)
    ids.push_back(std::to_string(gpu.index));
  return ids;
}

std::vector<std::string> request_ids(Session& session) {
  std::vector<std::string> ids;
  for (const QueueEntry& entry : view_queue(session.context()).entries)
    ids.push_back(entry.request.id);
  return ids;
}

// The words that the option takes as its value, where those are few.
std::vector<std::string> values_of(const Command& command, const std::string& option) {
  for (const Option& known : command.options) {
    const auto place = find_key(known.key);
    if (option != fmt::format("--{}", known.name()) || !place) continue;
    return {keys()[*place].words.begin(), keys()[*place].words.end()};
  }
  return {};
}

// The words that may stand in place of the last one.
std::vector<std::string> candidates(Session& session, const std::vector<std::string>& words) {
  const auto typed = words.empty() ? words.end() : words.end() - 1;
  const Command* chosen = nullptr;
  for (auto word = words.begin(); word != typed && chosen == nullptr; ++word) {
    for (const Command& command : commands()) {
      if (command.name == *word) chosen = &command;
    }
  }
  if (chosen == nullptr) {
    std::vector<std::string> names;
    for (const Command& command : commands()) {
      if (!command.is_hidden) names.emplace_back(command.name);
    }
    return names;
  }
  if (std::find(words.begin(), typed, "--") != typed) return {};
  if (typed->starts_with('-')) return option_names(*chosen);
  const std::string& before = *(typed - 1);
  for (const char* name : {"--gpu-ids", "-G", "--drain", "--undrain"}) {
    if (before == name) return gpu_ids(session);
  }
  if (auto values = values_of(*chosen, before); !values.empty()) return values;
  if (before == "--remote" || before == "-r") return session.config().list("remote_hosts");
  if (chosen->name == "cancel") return request_ids(session);
  if (chosen->name == "completion") return {"bash", "zsh", "fish"};
  if (chosen->name == "store" && before == "store") {
    return {"copy", "import", "backup", "restore"};
  }
  if (chosen->name == "policy" && before == "policy") return {"set", "unset", "apply"};
  return {};
}

int complete(Session& session, const Arguments& arguments) {
  const std::vector<std::string> words = arguments.command.value_or(std::vector<std::string>{});
  const std::string typed = words.empty() ? "" : words.back();
  std::string text;
  for (const std::string& candidate : candidates(session, words)) {
    if (candidate.starts_with(typed)) text += candidate + "\n";
  }
  print(text);
  return 0;
}

int execute_completion(Session&, const Arguments& arguments) {
  print(script_for(arguments.value("SHELL").value_or("")));
  return 0;
}

}  // namespace

Command completion_command() {
  return {.name = "completion",
          .help = "Print the completion script of a shell",
          .examples =
              "  canhazgpu completion bash > /etc/bash_completion.d/canhazgpu\n"
              "  canhazgpu completion zsh > ~/.zfunc/_canhazgpu\n"
              "  canhazgpu completion fish > ~/.config/fish/completions/canhazgpu.fish",
          .operands = {{"SHELL", "bash, zsh or fish"}},
          .execute = execute_completion};
}

Command complete_command() {
  return {.name = "__complete", .takes_command = true, .is_hidden = true, .execute = complete};
}

}  // namespace chg
