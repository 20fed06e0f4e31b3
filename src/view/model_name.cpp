#include "view/model_name.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace chg {
namespace {

constexpr char kLocal[] = "local";
constexpr std::string_view kDigits = "0123456789";

// Words that stand where a model could stand, and tell none: of backends and switches, of places
// where people keep models, of files of weights. "v2", "data1" and "nvme0n1" are told by them, too.
constexpr std::string_view kSayNothing =
    "hf vllm sglang auto none null true false local custom base default best last latest current "
    "final main prod dev test v r "
    "model models weights checkpoint checkpoints ckpt snapshot snapshots ggml gguf onnx "
    "safetensors "
    "pytorch_model adapter_model diffusion_pytorch_model consolidated ggml-model "
    "data disk drive nvme nvmen ssd hdd mnt media vol volume storage share shared nas nfs gpfs "
    "lustre raid pool scratch tmp cache home user root project projects work workspace app opt srv "
    "llm llms output outputs out results run";

// The path of the folder above; "" where there is none.
std::string_view folder_above(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool is_switch_or_text(std::string_view value) {
  return value.empty() || value.starts_with('-') ||
         value.find_first_of("$`(){}<>|;&*?\"'\\") != std::string_view::npos;
}

// As the hub names snapshots: 40 hexadecimal digits, or the first of them.
bool is_hash(std::string_view name) {
  constexpr std::size_t kDigitsMin = 8;
  return name.size() >= kDigitsMin && has_letter_and_digit(name) &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "model-00001-of-00004.safetensors", "consolidated.00.pth".
std::string_view without_part_number(std::string_view stem) {
  const std::size_t of = stem.find("-of-");
  if (of != std::string_view::npos) stem = stem.substr(0, of);
  const std::size_t end = stem.find_last_not_of("0123456789.-_");
  return stem.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

// The name of a file or folder, or a word, that tells no model.
bool says_nothing(std::string_view name) {
  if (is_hash(name)) return true;
  if (is_weights_file(name)) name = name.substr(0, name.rfind('.'));
  const std::string stem = lower_case(name);
  const std::string_view word = without_part_number(stem);
  std::string letters;
  std::copy_if(word.begin(), word.end(), std::back_inserter(letters),
               [](char c) { return kDigits.find(c) == std::string_view::npos; });
  return word.empty() || is_one_of(letters, kSayNothing) ||
         word.starts_with("ggml-model-");  // and how it was quantized
}

// ModelScope's cache writes "Qwen2.5-7B" as "Qwen2___5-7B".
std::string with_dots(std::string_view name) {
  constexpr std::string_view kDot = "___";
  std::string result(name);
  for (std::size_t place = result.find(kDot); place != std::string::npos;
       place = result.find(kDot, place)) {
    result.replace(place, kDot.size(), ".");
  }
  return result;
}

// "meta-llama/Llama-3-8B", with "/" for a separator.
DetectedModel separated(std::string_view name, std::string_view separator) {
  const std::size_t place = name.find(separator);
  if (place == std::string_view::npos) return {"", with_dots(name)};
  return {std::string(name.substr(0, place)), with_dots(name.substr(place + separator.size()))};
}

// ".../models--meta-llama--Llama-3-8B/snapshots/5f0b…": the cache of the Hugging Face hub.
std::optional<DetectedModel> from_hub_cache(std::string_view path) {
  constexpr std::string_view kStart = "models--";
  const std::size_t start = path.find(kStart);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view name = path.substr(start + kStart.size());
  return separated(name.substr(0, name.find('/')), "--");
}

// Above the file or folder stands whatever people call their disks, projects and accounts: only
// what looks like a model is taken for one.
std::optional<DetectedModel> from_folders_above(std::string_view path) {
  for (path = folder_above(path); !path.empty(); path = folder_above(path)) {
    const std::string_view name = last_component(path);
    const bool is_account = is_one_of(last_component(folder_above(path)), "home users");
    if (is_account) return std::nullopt;
    if (!says_nothing(name) && has_letter_and_digit(name)) {
      return DetectedModel{kLocal, with_dots(name)};
    }
  }
  return std::nullopt;
}

std::optional<NamedModel> from_path(std::string_view path) {
  const std::string_view name = last_component(path);
  // A blob of Ollama: twelve digits of its hash tell it apart, as in `ollama list`.
  if (name.starts_with("sha256-")) return NamedModel{{kLocal, std::string(name.substr(0, 19))}};
  if (!says_nothing(name)) return NamedModel{{kLocal, with_dots(name)}};
  auto above = from_folders_above(path);
  if (!above) return std::nullopt;
  return NamedModel{std::move(*above), true};
}

bool is_path(std::string_view value) {
  const std::size_t slash = value.find('/');
  const bool names_place =
      slash != std::string_view::npos &&
      (says_nothing(value.substr(0, slash)) || says_nothing(last_component(value)));
  return std::string_view("/.~").find(value.front()) != std::string_view::npos ||
         value.ends_with('/') || is_weights_file(value) || names_place ||
         std::count(value.begin(), value.end(), '/') > 2;
}

std::string_view without_hub(std::string_view value) {
  for (const std::string_view hub : {"https://huggingface.co/", "hf://"}) {
    if (lower_case(value.substr(0, hub.size())) == hub) value.remove_prefix(hub.size());
  }
  return value;
}

}  // namespace

std::optional<NamedModel> parse_model(std::string_view value) {
  value = without_hub(value);
  if (is_switch_or_text(value)) return std::nullopt;
  std::optional<NamedModel> named;
  if (auto cached = from_hub_cache(value)) {
    named = NamedModel{std::move(*cached)};
  } else if (is_path(value)) {
    named = from_path(value);
  } else if (!says_nothing(value)) {
    named = NamedModel{separated(value, "/")};
  }
  const bool is_one = named && !is_switch_or_text(named->model.model) && named->model.model != "/";
  return is_one ? named : std::nullopt;
}

bool is_weights_file(std::string_view value) {
  const std::size_t dot = value.rfind('.');
  return dot != std::string_view::npos &&
         is_one_of(value.substr(dot + 1),
                   "gguf ggml safetensors bin pt pth ckpt onnx engine llamafile nemo");
}

bool has_letter_and_digit(std::string_view name) {
  const auto any = [&](auto is_meant) { return std::any_of(name.begin(), name.end(), is_meant); };
  return any([](unsigned char c) { return std::isalpha(c) != 0; }) &&
         any([](unsigned char c) { return std::isdigit(c) != 0; });
}

bool has_organisation(const DetectedModel& model) {
  return !model.provider.empty() && model.provider != kLocal;
}

std::string full_name(const DetectedModel& model) {
  return has_organisation(model) ? model.provider + "/" + model.model : model.model;
}

std::string_view last_component(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_one_of(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    if (cut(list, ' ') == word) return true;
  }
  return false;
}

}  // namespace chg
