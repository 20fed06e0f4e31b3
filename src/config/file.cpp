#include "config/file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_text.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

// Ours is a page of text. The limit also bounds what a parser can be made to do.
constexpr std::size_t kFileSizeMax = 65536;

constexpr const char* kOtherFileHint =
    "give yourself access to it or move it away, or name another with --config";

// TOML is not read. A file of it is looked for all the same: it must not be overlooked in silence.
constexpr std::string_view kEndings[] = {".yaml", ".yml", ".json", ".toml"};

enum class Presence { Absent, Present, Hidden, Foreign };

Presence look_for(const std::string& path, const TrustedOwner& is_trusted) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    return !is_trusted || is_trusted(status.st_uid) ? Presence::Present : Presence::Foreign;
  }
  if (errno == EACCES) return Presence::Hidden;
  if (errno == ENOENT || errno == ENOTDIR) return Presence::Absent;
  throw errno_error(fmt::format("cannot look for the configuration file '{}'", path), errno,
                    kOtherFileHint);
}

void check_ending(const std::string& path) {
  if (path.ends_with(".toml")) {
    throw Error(ErrorKind::Usage,
                fmt::format("configuration file '{}' is in TOML, which is not supported", path),
                "convert it to YAML; its name then has to end in .yaml");
  }
  if (path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json")) return;
  throw Error(ErrorKind::Usage, fmt::format("configuration file '{}' has no known format", path),
              "its name has to end in .yaml, .yml or .json");
}

// A pipe or a device would keep every command waiting.
void check_file(const UniqueFd& fd, const std::string& path, const TrustedOwner& is_trusted) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw errno_error(fmt::format("cannot read configuration file '{}'", path), errno,
                      kOtherFileHint);
  }
  if (is_trusted && !is_trusted(status.st_uid)) {
    throw Error(ErrorKind::Failed,
                fmt::format("configuration file '{}' belongs to somebody else", path),
                kOtherFileHint);
  }
  if (S_ISREG(status.st_mode)) return;
  throw Error(ErrorKind::Failed,
              fmt::format("configuration file '{}' is {}", path,
                          S_ISDIR(status.st_mode) ? "a directory" : "not a regular file"),
              kOtherFileHint);
}

std::string read_all(const std::string& path, const TrustedOwner& is_trusted) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd)
    throw errno_error(fmt::format("cannot read configuration file '{}'", path), errno,
                      kOtherFileHint);
  check_file(fd, path, is_trusted);
  const auto text = read_to_end(fd.get(), kFileSizeMax + 1);
  if (!text)
    throw errno_error(fmt::format("cannot read configuration file '{}'", path), errno,
                      kOtherFileHint);
  if (text->size() <= kFileSizeMax) return *text;
  throw Error(
      ErrorKind::Failed,
      fmt::format("configuration file '{}' is larger than {} KiB", path, kFileSizeMax / 1024),
      kOtherFileHint);
}

// One line, however many they are: as of another's HOME.
std::string passed_over(const std::vector<std::string>& foreign,
                        const std::vector<std::string>& hidden) {
  std::string text;
  if (!foreign.empty()) {
    const bool is_one = foreign.size() == 1;
    text = fmt::format(
        "did not read {}, which belong{} to somebody else; to follow {}, name it "
        "with --config",
        join_names(foreign), is_one ? "s" : "", is_one ? "it" : "one of them");
  }
  if (!hidden.empty()) {
    text += fmt::format("{}cannot look for a configuration file {}: {}", text.empty() ? "" : "; ",
                        join_names(hidden), std::generic_category().message(EACCES));
  }
  return text;
}

}  // namespace

std::optional<std::string> find_config_file(const std::vector<std::string>& stems,
                                            const TrustedOwner& is_trusted,
                                            std::vector<std::string>& warnings) {
  std::vector<std::string> found;
  std::vector<std::string> foreign;
  std::vector<std::string> hidden;
  for (const std::string& stem : stems) {
    for (const std::string_view ending : kEndings) {
      const std::string path = stem + std::string(ending);
      const Presence presence = look_for(path, is_trusted);
      if (presence == Presence::Present) found.push_back(path);
      if (presence == Presence::Foreign) foreign.push_back(fmt::format("'{}'", path));
      if (presence != Presence::Hidden) continue;
      hidden.push_back(fmt::format("'{}.*'", stem));
      break;
    }
  }
  if (const std::string text = passed_over(foreign, hidden); !text.empty()) {
    warnings.push_back(text);
  }
  if (found.size() < 2) return found.empty() ? std::nullopt : std::optional(found.front());
  for (std::string& path : found) path = fmt::format("'{}'", path);
  throw Error(ErrorKind::Failed, "several configuration files: " + join_names(found),
              "keep one of them");
}

std::vector<FileEntry> read_config_file(const std::string& path, const TrustedOwner& is_trusted) {
  check_ending(path);
  return read_yaml(read_all(path, is_trusted), path);
}

}  // namespace chg
