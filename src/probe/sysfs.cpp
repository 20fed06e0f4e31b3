#include "probe/sysfs.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fcntl.h>

#include "base/file_text.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

constexpr std::size_t kSysfsBytesMax = 64U << 10;

}  // namespace

std::optional<std::string> read_sysfs(const std::string& path) {
  return read_file(path, kSysfsBytesMax, O_NOCTTY);
}

std::string read_sysfs_line(const std::string& path) {
  return std::string(trimmed(read_sysfs(path).value_or("")));
}

std::optional<std::uint64_t> read_sysfs_number(const std::string& path) {
  return parse<std::uint64_t>(read_sysfs_line(path));
}

std::optional<std::vector<std::string>> names_in(const std::string& folder) {
  std::error_code problem;
  std::filesystem::directory_iterator entry(folder, problem);
  std::vector<std::string> names;
  for (; !problem && entry != std::filesystem::directory_iterator(); entry.increment(problem)) {
    names.push_back(entry->path().filename());
  }
  if (problem) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::uint64_t> mib_rounded_up(const std::optional<std::uint64_t>& bytes) {
  constexpr std::uint64_t kBytesInMib = 1ULL << 20;
  if (!bytes) return std::nullopt;
  return *bytes / kBytesInMib + (*bytes % kBytesInMib != 0 ? 1 : 0);
}

}  // namespace chg
