#include "core/gpu_ids.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

// No host has more; a larger number is a typing error, and must not become a loop of 2^31 steps.
constexpr int kGpuIdMax = 9999;

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorKind::Usage, fmt::format("invalid GPU list '{}'", printable(text, 60)),
              "write ids and ranges, such as 0 or 1,3 or 0-3");
}

void skip_spaces(std::string_view& rest) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
}

int take_id(std::string_view text, std::string_view& rest) {
  skip_spaces(rest);
  if (rest.starts_with('-')) refuse(text);
  const auto id = cut_number<int>(rest);
  if (!id || *id > kGpuIdMax) refuse(text);
  skip_spaces(rest);
  return *id;
}

}  // namespace

std::vector<int> parse_gpu_ids(std::string_view text) {
  std::vector<int> ids;
  std::string_view rest = text;
  while (true) {
    const int first = take_id(text, rest);
    int last = first;
    if (!rest.empty() && rest.front() == '-') {
      rest.remove_prefix(1);
      last = take_id(text, rest);
      if (last < first) refuse(text);
    }
    for (int id = first; id <= last; ++id) ids.push_back(id);
    if (rest.empty()) break;
    if (rest.front() != ',') refuse(text);
    rest.remove_prefix(1);
  }
  std::sort(ids.begin(), ids.end());
  const auto repeated = std::adjacent_find(ids.begin(), ids.end());
  if (repeated != ids.end()) {
    throw Error(ErrorKind::Usage,
                fmt::format("GPU {} is named twice in '{}'", *repeated, printable(text, 60)),
                "name each once");
  }
  return ids;
}

std::string to_id_list(const std::vector<int>& ids) {
  return fmt::format("{}", fmt::join(ids, ","));
}

std::string to_gpu_names(const std::vector<int>& ids) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < ids.size();) {
    std::size_t end = i + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    if (end - i >= 3) {
      ranges.push_back(fmt::format("{}-{}", ids[i], ids[end - 1]));
    } else {
      for (std::size_t k = i; k < end; ++k) ranges.push_back(std::to_string(ids[k]));
    }
    i = end;
  }
  return (ids.size() == 1 ? "GPU " : "GPUs ") + join_names(ranges);
}

}  // namespace chg
