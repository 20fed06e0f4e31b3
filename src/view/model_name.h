// Names of AI models, as people give them to programs: of a hub, of files and folders, URLs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace chg {

struct DetectedModel {
  /// The organisation of a Hugging Face name ("meta-llama"); "local" for a file or folder of this
  /// host; "" for a name without organisation ("gpt2").
  std::string provider;
  std::string model;  ///< "Llama-3-8B", "llama-3-8b.Q4_K_M.gguf"; may hold a slash

  bool operator==(const DetectedModel&) const = default;
};

struct NamedModel {
  DetectedModel model;
  /// The file or folder itself has a name that says nothing ("model.gguf", the hash of a snapshot):
  /// this is the name of a folder above it.
  bool is_of_folder_above = false;
};

/// What the value of an option names: "Qwen/Qwen3-8B", "/data/Qwen3-8B/snapshots/9216db57",
/// "HF://org/name". nullopt where it names no model: a number, a version, a word such as "auto" or
/// "model".
std::optional<NamedModel> parse_model(std::string_view value);

/// Whether it has the ending of a file of weights: "a.gguf".
bool is_weights_file(std::string_view value);

/// Whether it holds a letter and a digit, as a name with a version or a size does: "gpt2".
bool has_letter_and_digit(std::string_view name);

/// Whether an organisation of a hub is known.
bool has_organisation(const DetectedModel& model);

/// "meta-llama/Llama-3-8B"; the model alone where no organisation is known.
std::string full_name(const DetectedModel& model);

/// "model.gguf" of "/data/model.gguf"; "data" of "/data/".
std::string_view last_component(std::string_view path);

/// Whether `word` is in a list of words such as "torchrun accelerate".
bool is_one_of(std::string_view word, std::string_view list);

}  // namespace chg
