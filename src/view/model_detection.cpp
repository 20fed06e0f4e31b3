#include "view/model_detection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace chg {
namespace {

using Words = std::vector<std::string_view>;
using WordSpan = std::span<const std::string_view>;

constexpr char kLocal[] = "local";

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

// Lists of words are written as texts: "torchrun accelerate".
bool is_one_of(std::string_view word, std::string_view list) {
  const Words words = split(list);
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_option(std::string_view word) { return word.starts_with('-'); }

std::string_view last_component(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_weights_file(std::string_view value) {
  const std::size_t dot = value.rfind('.');
  return dot != std::string_view::npos &&
         is_one_of(value.substr(dot + 1),
                   "gguf ggml safetensors bin pt pth ckpt onnx engine llamafile");
}

// Words that stand where a model could stand, and are none: backends, switches, numbers.
bool is_no_model(std::string_view value) {
  const bool odd = value.find_first_of("$`(){}<>|;&*?\"'\\") != std::string_view::npos;
  const bool number = value.find_first_not_of("0123456789.") == std::string_view::npos;
  return value.empty() || is_option(value) || odd || number ||
         is_one_of(value, "hf vllm sglang auto none None true True false False /");
}

// "meta-llama/Llama-3-8B", with "/" for a separator.
DetectedModel separated(std::string_view name, std::string_view separator) {
  const std::size_t place = name.find(separator);
  if (place == std::string_view::npos) return {"", std::string(name)};
  return {std::string(name.substr(0, place)), std::string(name.substr(place + separator.size()))};
}

// ".../models--meta-llama--Llama-3-8B/snapshots/5f0b…": the cache of the Hugging Face hub.
std::optional<DetectedModel> from_hub_cache(std::string_view path) {
  constexpr std::string_view kStart = "models--";
  const std::size_t start = path.find(kStart);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view name = path.substr(start + kStart.size());
  return separated(name.substr(0, name.find('/')), "--");
}

DetectedModel from_path(std::string_view path) {
  const std::string_view name = last_component(path);
  // A blob of Ollama: twelve digits of its hash tell it apart, as in `ollama list`.
  return {kLocal, std::string(name.starts_with("sha256-") ? name.substr(0, 19) : name)};
}

bool is_path(std::string_view value) {
  return std::string_view("/.~").find(value.front()) != std::string_view::npos ||
         value.ends_with('/') || is_weights_file(value) ||
         std::count(value.begin(), value.end(), '/') > 2;
}

std::optional<DetectedModel> parse_model(std::string_view value) {
  for (const std::string_view hub : {"https://huggingface.co/", "hf://"}) {
    if (value.starts_with(hub)) value.remove_prefix(hub.size());
  }
  if (is_no_model(value)) return std::nullopt;
  std::optional<DetectedModel> model = from_hub_cache(value);
  if (!model) model = is_path(value) ? from_path(value) : separated(value, "/");
  return is_no_model(model->model) ? std::nullopt : model;
}

bool has_organisation(const DetectedModel& model) {
  return !model.provider.empty() && model.provider != kLocal;
}

struct Program {
  std::string_view name;   // "vllm", "train": no folder, no ".py", of a module its package
  bool is_script = false;  // run by Python: its options are spelled as Python people do
  WordSpan arguments;
};

struct Server {
  std::string_view names;
  std::string_view subcommands;  // the model may follow these words; "*": the name itself, too
  std::string_view options;      // best first
};

constexpr std::array kServers = {
    Server{"vllm", "serve", "--model"},
    Server{"sglang", "", "--model-path --model"},
    Server{"text-generation-launcher text-embeddings-router", "", "--model-id"},
    Server{"text-generation-server", "serve", "--model-id"},
    Server{"lm_eval lm-eval", "", ""},
    Server{"lmdeploy", "serve api_server", "--model-path"},
    Server{"trtllm-serve", "* serve", "--model"},
    Server{"mlc_llm aphrodite", "serve run", "--model"},
    Server{"ollama ollama_llama_server koboldcpp", "", "--model"},
    Server{"whisper-server llamafile", "", "-m --model"},
};

constexpr Server kLlamaCpp{"", "", "-m --model -hf -hfr --hf-repo -mu --model-url"};

const Server* find_server(std::string_view name) {
  for (const Server& server : kServers) {
    if (is_one_of(name, server.names)) return &server;
  }
  // llama-server, llama-cli, llama-bench, llama-embedding …
  return name.starts_with("llama-") ? &kLlamaCpp : nullptr;
}

bool is_python(std::string_view name) { return name.starts_with("python"); }

bool is_launcher(std::string_view name) {
  return is_one_of(name, "torchrun accelerate deepspeed mpirun mpiexec srun horovodrun torch");
}

bool is_wrapper(std::string_view name) {
  return is_one_of(name,
                   "env sudo nohup exec nice setsid stdbuf numactl taskset time timeout bash "
                   "sh zsh tini uv uvx pixi poetry nsys");
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

std::optional<DetectedModel> from_options(WordSpan words, std::string_view options) {
  for (const std::string_view option : split(options)) {
    if (const auto model = parse_model(option_value(words, option))) return model;
  }
  return std::nullopt;
}

// "--model_args pretrained=X,dtype=auto": there `--model` names a backend.
std::optional<DetectedModel> from_model_args(WordSpan words) {
  constexpr std::string_view kKey = "pretrained=";
  const std::string_view value = option_value(words, "--model_args");
  const std::size_t start = value.find(kKey);
  if (start == std::string_view::npos || (start > 0 && value[start - 1] != ',')) return {};
  const std::string_view name = value.substr(start + kKey.size());
  return parse_model(name.substr(0, name.find(',')));
}

// "serve X", or "serve --port 8000 X", where X can be no option's value.
std::optional<DetectedModel> from_subcommand(WordSpan words, std::string_view subcommands) {
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

constexpr std::string_view kScriptOptions =
    "--model_name_or_path --model-name-or-path --pretrained_model_name_or_path --model-path "
    "--model_path --model-id --model_id --model-name --model_name --base-model --base_model "
    "--model";

// "llama-2-7b", "gpt2": a word with a version or a size.
bool has_letter_and_digit(std::string_view name) {
  const auto any = [&](auto is_meant) { return std::any_of(name.begin(), name.end(), is_meant); };
  return any([](unsigned char c) { return std::isalpha(c) != 0; }) &&
         any([](unsigned char c) { return std::isdigit(c) != 0; });
}

// An unknown program's `--model` may mean anything, so only a name that looks like one is taken.
std::optional<DetectedModel> from_unknown(WordSpan arguments) {
  const auto model = from_options(arguments, kScriptOptions);
  const auto is_likely = [](const DetectedModel& one) {
    const bool is_name = one.provider.empty() && has_letter_and_digit(one.model);
    return is_name || has_organisation(one) || is_weights_file(one.model);
  };
  if (model && is_likely(*model)) return model;
  const std::string_view file = option_value(arguments, "-m");
  return file.ends_with(".gguf") ? parse_model(file) : std::nullopt;
}

}  // namespace

std::optional<DetectedModel> detect_model(std::string_view command_line) {
  const Words words = split(command_line);
  const Program program = program_of(words);
  if (const auto model = from_model_args(program.arguments)) return model;
  if (const Server* server = find_server(program.name)) {
    const auto model = from_subcommand(program.arguments, server->subcommands);
    return model ? model : from_options(program.arguments, server->options);
  }
  if (program.is_script) return from_options(program.arguments, kScriptOptions);
  return from_unknown(program.arguments);
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

std::string full_name(const DetectedModel& model) {
  return has_organisation(model) ? model.provider + "/" + model.model : model.model;
}

}  // namespace chg
