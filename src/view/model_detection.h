// Which AI model a process serves, read from its command line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

struct DetectedModel {
  /// The organisation of a Hugging Face name ("meta-llama"); "local" for a file or folder of this
  /// host; "" for a name without organisation ("gpt2").
  std::string provider;
  std::string model;  ///< "Llama-3-8B", "llama-3-8b.Q4_K_M.gguf"; may hold a slash

  bool operator==(const DetectedModel&) const = default;
};

/// Knows the command lines of inference servers (vLLM, SGLang, TGI, llama.cpp, Ollama …), of
/// lm_eval, and the usual options of Python scripts. Says nothing rather than something doubtful: a
/// program that it does not know has a model only where the option's value cannot be anything else.
std::optional<DetectedModel> detect_model(std::string_view command_line);

/// The model that is known best: one with an organisation before others, else the first.
std::optional<DetectedModel> best_model(const std::vector<std::string>& command_lines);

/// "meta-llama/Llama-3-8B"; the model alone where no organisation is known.
std::string full_name(const DetectedModel& model);

}  // namespace chg
