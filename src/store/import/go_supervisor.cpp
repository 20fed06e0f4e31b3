#include "store/import/go_supervisor.h"

#include <algorithm>
#include <string_view>

#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

// "--pid 1234" or "--pid=1234"; "" where there is none.
std::string value_of(const std::vector<std::string>& words, const std::string& option) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_next = i + 1 < words.size() && !words[i + 1].starts_with("--");
    if (words[i] == option && has_next) return words[i + 1];
    if (words[i].starts_with(option + "=")) return words[i].substr(option.size() + 1);
  }
  return "";
}

// The numbers that are separated by commas; none where one of them is no number.
std::vector<int> read_numbers(std::string_view text) {
  std::vector<int> numbers;
  while (!text.empty()) {
    const auto number = parse<int>(cut(text, ','));
    if (number.value_or(-1) < 0) return {};
    numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::optional<GoSupervisor> read_go_supervisor(const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), kGoSupervisorWord) == words.end()) return std::nullopt;
  GoSupervisor found;
  found.gpus = read_numbers(value_of(words, "--gpus"));
  found.user = value_of(words, "--user");
  const std::vector<int> pids = read_numbers(value_of(words, "--pid"));
  if (found.gpus.empty() || found.user.empty() || pids.size() != 1) return std::nullopt;
  found.pid = pids.front();
  return found;
}

}  // namespace chg
