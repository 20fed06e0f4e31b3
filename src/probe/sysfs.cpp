#include "probe/sysfs.h"

#include <algorithm>
#include <cerrno>
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

SysfsText read_sysfs(const std::string& path) {
  auto text = read_file(path, kSysfsBytesMax, O_NOCTTY);
  const int error_number = text ? 0 : errno;
  return {std::move(text), error_number};
}

std::string read_sysfs_line(const std::string& path) {
  const SysfsText file = read_sysfs(path);
  return file.text ? std::string(trimmed(*file.text)) : std::string();
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

std::uint64_t mib_rounded_up(std::uint64_t bytes) {
  constexpr std::uint64_t kBytesInMib = 1ULL << 20;
  return bytes / kBytesInMib + (bytes % kBytesInMib != 0 ? 1 : 0);
}

}  // namespace chg
