#include "view/model_detection.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/text.h"

namespace chg {
namespace {

using Words = std::vector<std::string_view>;
using WordSpan = std::span<const std::string_view>;

Words split(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\v\f";
  Words words;
  while (true) {
    const std::size_t start = text.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(kSpace, start), text.size());
    words.push_back(text.substr(start, end - start));
    text.remove_prefix(end);
  }
}

bool is_option(std::string_view word) { return word.starts_with('-'); }

struct Program {
  std::string_view name;   // "vllm", "train": no folder, no ".py", of a module its package
  bool is_script = false;  // run by Python: its options are spelled as Python people do
  WordSpan arguments;
};

// How a program is told its model. All lists are words, best first.
struct Server {
  std::string_view names;        // "llama-": all that begin so
  std::string_view subcommands;  // the model may follow these words; "*": the name itself, too
  std::string_view options;
  std::string_view served_name = "--served-model-name";  // what clients are to call the model
  bool has_pairs = false;                                // words such as "model_name=X,dtype=auto"
};

constexpr std::array kServers = {
    Server{"vllm", "serve", "--model"},
    Server{"sglang", "", "--model-path --model"},
    Server{"text-generation-launcher text-embeddings-router", "", "--model-id"},
    Server{"text-generation-server", "serve", "--model-id"},
    Server{"lm_eval lm-eval", "", ""},
    Server{"lighteval", "", "", "", true},
    Server{"lmdeploy", "serve api_server", "--model-path", "--model-name"},
    Server{"trtllm-serve", "* serve", "--model"},
    Server{"mlc_llm aphrodite", "serve run", "--model"},
    Server{"litgpt", "serve chat generate evaluate", "--checkpoint_dir"},
    Server{"lightllm", "", "--model_dir", "--model_name"},
    Server{"petals", "*", "--converted_model_name_or_path"},
    Server{"mistralrs mistralrs-server", "", "-m --model-id"},
    Server{"tabby", "", "--model --chat-model"},
    Server{"openrlhf", "", "--pretrain"},
    Server{"koboldcpp koboldcpp-", "*", "--model"},
    Server{"ollama ollama_llama_server", "", "--model"},
    Server{"llama_cpp", "", "--hf_model_repo_id --model", "--model_alias"},
    Server{"whisper- llamafile", "", "-m --model"},
    // llama-server, llama-cli, llama-bench, llama-embedding …
    Server{"llama-", "", "-hf -hfr --hf-repo -m --model -mu --model-url", "-a --alias"},
};

const Server* find_server(std::string_view name) {
  for (const Server& server : kServers) {
    for (std::string_view names = server.names; !names.empty();) {
      const std::string_view known = cut(names, ' ');
      if (known.ends_with('-') ? name.starts_with(known) : name == known) return &server;
    }
  }
  return nullptr;
}

bool is_python(std::string_view name) { return name.starts_with("python"); }

bool is_launcher(std::string_view name) {
  return is_one_of(name, "torchrun accelerate deepspeed mpirun mpiexec srun horovodrun torch");
}

bool is_wrapper(std::string_view name) {
  return is_one_of(name,
                   "env sudo nohup exec nice setsid stdbuf numactl taskset time timeout bash "
                   "sh zsh ape tini uv uvx pixi poetry nsys");
}

bool is_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  return equals != std::string_view::npos && equals > 0 && word.find('/') > equals &&
         !is_option(word);
}

// Passes over what only starts the program: "CUDA_VISIBLE_DEVICES=0", "nice -n 10", "uv run",
// "canhazgpu run --gpus 1 --".
WordSpan without_wrappers(WordSpan words) {
  bool wrapped = false;
  while (!words.empty()) {
    const std::string_view word = words.front();
    if (is_one_of(last_component(word), "canhazgpu chg")) {
      const auto separator = std::find(words.begin(), words.end(), "--");
      if (separator == words.end()) return {};
      words = words.subspan(static_cast<std::size_t>(separator - words.begin()) + 1);
      continue;
    }
    const bool of_wrapper =
        is_option(word) || word == "run" || word == "profile" || (word[0] >= '0' && word[0] <= '9');
    if (is_wrapper(last_component(word))) {
      wrapped = true;
    } else if (!is_assignment(word) && !(wrapped && of_wrapper)) {
      break;
    }
    words = words.subspan(1);
  }
  return words;
}

// A path ("./train.py") or a module ("vllm.entrypoints.openai.api_server") that Python runs.
Program script_program(std::string_view script, WordSpan arguments) {
  const std::string_view name = last_component(script);
  return {name.substr(0, name.find('.')), true, arguments};
}

Program python_program(WordSpan words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const bool has_next = i + 1 < words.size();
    if (word == "-c") return {};
    if (word == "-m" && has_next) return script_program(words[i + 1], words.subspan(i + 2));
    if ((word == "-X" || word == "-W") && has_next) {
      ++i;
    } else if (!is_option(word)) {
      return script_program(word, words.subspan(i + 1));
    }
  }
  return {};
}

// What torchrun and its like start; their own options come first and are passed over.
Program launched_program(WordSpan words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const std::string_view name = last_component(word);
    const WordSpan rest = words.subspan(i + 1);
    if ((word == "-m" || word == "--module") && !rest.empty()) {
      return script_program(rest.front(), rest.subspan(1));
    }
    if (is_python(name)) return python_program(rest);
    if (word.ends_with(".py")) return script_program(word, rest);
    if (find_server(name) != nullptr) return {name, false, rest};
  }
  return {};
}

Program program_of(WordSpan words) {
  words = without_wrappers(words);
  if (words.empty()) return {};
  Program program{last_component(words.front()), false, words.subspan(1)};
  if (is_python(program.name)) program = python_program(program.arguments);
  if (is_launcher(program.name)) program = launched_program(program.arguments);
  return program;
}

// "" where the option is not given.
std::string_view option_value(WordSpan words, std::string_view option) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with(option)) continue;
    const std::string_view rest = words[i].substr(option.size());
    if (rest.empty() && i + 1 < words.size()) return words[i + 1];
    if (rest.starts_with('=') && option.starts_with("--")) return rest.substr(1);
  }
  return "";
}

std::optional<NamedModel> from_options(WordSpan words, std::string_view options) {
  while (!options.empty()) {
    if (auto model = parse_model(option_value(words, cut(options, ' ')))) return model;
  }
  return std::nullopt;
}

// "pretrained=X,dtype=auto".
std::optional<NamedModel> from_pairs(std::string_view text) {
  while (!text.empty()) {
    std::string_view value = cut(text, ',');
    const bool is_pair = value.find('=') != std::string_view::npos;
    if (!is_pair || !is_one_of(cut(value, '='), "pretrained model_name model")) continue;
    if (auto model = parse_model(value)) return model;
  }
  return std::nullopt;
}

// "--model_args pretrained=X": there `--model` names a backend.
std::optional<NamedModel> from_model_args(WordSpan words) {
  return from_pairs(option_value(words, "--model_args"));
}

// "lighteval accelerate model_name=X".
std::optional<NamedModel> from_words_with_pairs(WordSpan words) {
  for (const std::string_view word : words) {
    if (is_option(word)) continue;
    if (auto model = from_pairs(word)) return model;
  }
  return std::nullopt;
}

// Whether "actor_rollout_ref.model.path" or "++model.path" ends in a name that stands for a model.
bool is_model_setting(std::string_view key) {
  std::string_view names =
      "model.path model_name_or_path policy.model_name restore_from_path pretrained_model_path";
  while (!names.empty()) {
    const std::string_view name = cut(names, ' ');
    if (!key.ends_with(name)) continue;
    const std::string_view before = key.substr(0, key.size() - name.size());
    if (before.empty() || before.ends_with('.') || before.ends_with('+')) return true;
  }
  return false;
}

// "model.path=X": a setting of a script that reads its configuration with Hydra.
std::optional<NamedModel> from_settings(WordSpan words) {
  for (const std::string_view word : words) {
    if (is_option(word) || word.find('=') == std::string_view::npos) continue;
    std::string_view value = word;
    if (!is_model_setting(cut(value, '='))) continue;
    if (auto model = parse_model(value)) return model;
  }
  return std::nullopt;
}

// "serve X", or "serve --port 8000 X", where X can be no option's value.
std::optional<NamedModel> from_subcommand(WordSpan words, std::string_view subcommands) {
  std::size_t start = 0;
  while (start < words.size() && is_one_of(words[start], subcommands)) ++start;
  if (start == 0 && !subcommands.starts_with('*')) return std::nullopt;
  for (std::size_t i = start; i < words.size(); ++i) {
    const std::string_view before = i == start ? "" : words[i - 1];
    const bool is_value = is_option(before) && before.find('=') == before.npos;
    if (!is_option(words[i]) && !is_value) return parse_model(words[i]);
  }
  return std::nullopt;
}

std::optional<NamedModel> from_server(const Server& server, WordSpan arguments) {
  if (auto model = from_subcommand(arguments, server.subcommands)) return model;
  if (auto model = from_options(arguments, server.options)) return model;
  return server.has_pairs ? from_words_with_pairs(arguments) : from_model_args(arguments);
}

std::optional<NamedModel> from_script(WordSpan arguments) {
  if (auto model = from_model_args(arguments)) return model;
  constexpr std::string_view kOptions =
      "--model_name_or_path --model-name-or-path --pretrained_model_name_or_path --model-path "
      "--model_path --model-id --model_id --model-name --model_name --base-model --base_model "
      "--model";
  if (auto model = from_options(arguments, kOptions)) return model;
  if (auto model = from_settings(arguments)) return model;
  const std::string_view file = option_value(arguments, "--ckpt");
  return is_weights_file(file) ? parse_model(file) : std::nullopt;
}

// An unknown program's `--model` may mean anything, so only a name that looks like one is taken.
std::optional<NamedModel> from_unknown(WordSpan arguments) {
  auto named = from_script(arguments);
  const auto is_likely = [](const DetectedModel& model) {
    const bool is_name = model.provider.empty() && has_letter_and_digit(model.model);
    return is_name || has_organisation(model) || is_weights_file(model.model);
  };
  if (named && is_likely(named->model)) return named;
  const std::string_view file = option_value(arguments, "-m");
  return file.ends_with(".gguf") ? parse_model(file) : std::nullopt;
}

// A llamafile is its model, and the server of it.
std::optional<NamedModel> from_own_file(std::string_view program) {
  return program.ends_with(".llamafile") ? parse_model(program) : std::nullopt;
}

}  // namespace

std::optional<DetectedModel> detect_model(std::string_view command_line) {
  const Words words = split(command_line);
  const Program program = program_of(words);
  const Server* const server = find_server(program.name);
  std::optional<NamedModel> named;
  if (server != nullptr) {
    named = from_server(*server, program.arguments);
  } else {
    named = program.is_script ? from_script(program.arguments) : from_unknown(program.arguments);
  }
  if (!named) named = from_own_file(program.name);
  if (named && !named->is_of_folder_above) return std::move(named->model);
  const auto served = from_options(program.arguments,
                                   server == nullptr ? Server{}.served_name : server->served_name);
  if (served) return served->model;
  return named ? std::optional(std::move(named->model)) : std::nullopt;
}

std::optional<DetectedModel> detect_served_model(std::string_view command_line) {
  const Words words = split(command_line);
  return find_server(program_of(words).name) == nullptr ? std::nullopt : detect_model(command_line);
}

std::optional<DetectedModel> best_model(const std::vector<std::string>& command_lines) {
  std::optional<DetectedModel> best;
  for (const std::string& command_line : command_lines) {
    const auto model = detect_model(command_line);
    if (!model) continue;
    if (has_organisation(*model)) return model;
    if (!best) best = model;
  }
  return best;
}

}  // namespace chg
