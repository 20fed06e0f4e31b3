// Which AI model a process serves, read from its command line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "view/model_name.h"

namespace chg {

/// Knows the command lines of inference servers (vLLM, SGLang, TGI, llama.cpp, Ollama …), of
/// evaluations and trainers (lm_eval, OpenRLHF, verl …), and the usual options of Python scripts.
/// The name under which a server offers the model counts where the model's file or folder has a
/// name that says nothing. Says nothing rather than something doubtful: a program that it does not
/// know has a model only where the option's value cannot be anything else.
std::optional<DetectedModel> detect_model(std::string_view command_line);

/// The model of a server that is known by its name, also behind what starts it. Nothing of other
/// programs, whatever their options: the model of a coding agent is somewhere else.
std::optional<DetectedModel> detect_served_model(std::string_view command_line);

/// The model that is known best: one with an organisation before others, else the first.
std::optional<DetectedModel> best_model(const std::vector<std::string>& command_lines);

}  // namespace chg
