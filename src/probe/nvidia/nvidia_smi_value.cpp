#include "probe/nvidia/nvidia_smi_value.h"

#include <algorithm>
#include <array>

#include "base/number.h"
#include "base/text.h"

namespace chg::nvidia_smi_value {
// Brackets alone are enough, as drivers keep inventing reasons; the bare words are those that have
// been seen.
bool is_placeholder(std::string_view field) {
  static constexpr std::array<std::string_view, 12> kWords = {
      "",
      "n/a",
      "err!",
      "unknown",
      "unknown error",
      "not found",
      "not supported",
      "insufficient permissions",
      "function not found",
      "gpu is lost",
      "gpu requires reset",
      "requested functionality has been deprecated"};
  if (field.size() >= 2 && field.front() == '[' && field.back() == ']') return true;
  return std::find(kWords.begin(), kWords.end(), lower_case(field)) != kWords.end();
}

std::string_view text_of(std::string_view field) {
  return is_placeholder(field) ? std::string_view() : field;
}

std::optional<std::uint64_t> number_of(std::string_view field, std::string_view unit) {
  const auto value = cut_number<std::uint64_t>(field);
  const std::string_view tail = trimmed(field);
  return tail.empty() || tail == unit ? value : std::nullopt;
}

std::optional<int> small_number_of(std::string_view field, int max, std::string_view unit) {
  const std::optional<std::uint64_t> value = number_of(field, unit);
  if (!value || *value > static_cast<std::uint64_t>(max)) return std::nullopt;
  return static_cast<int>(*value);
}

std::string_view program_of(std::string_view process_name) {
  const std::string_view name = text_of(process_name);
  const std::string_view path = name.substr(0, name.find(' '));
  return path.substr(path.rfind('/') + 1);
}

std::string broken_gpu(std::initializer_list<std::string_view> fields) {
  std::string error;
  for (const std::string_view field : fields) {
    const std::string text = lower_case(field);
    if (text.find("gpu is lost") != std::string::npos) return "GPU is lost";
    if (text.find("gpu requires reset") != std::string::npos) error = "GPU requires reset";
    if (text == "err!" && error.empty()) error = "nvidia-smi reports ERR!";
  }
  return error;
}

}  // namespace chg::nvidia_smi_value
