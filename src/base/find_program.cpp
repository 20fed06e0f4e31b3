#include "base/find_program.h"

#include <algorithm>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace chg {
namespace {

bool is_executable_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

}  // namespace

std::vector<std::string> program_candidates(const std::string& name, std::string_view search_path) {
  if (name.find('/') != std::string::npos) return {name};
  const auto colons = std::count(search_path.begin(), search_path.end(), ':');
  std::vector<std::string> files(1 + static_cast<std::size_t>(colons));
  for (std::string& file : files) {
    const std::string folder(cut(search_path, ':'));
    file = (folder.empty() ? "." : folder) + "/" + name;
  }
  return files;
}

std::optional<std::string> find_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  for (const std::string& file :
       program_candidates(name, path != nullptr ? path : "/bin:/usr/bin")) {
    if (is_executable_file(file)) return file;
  }
  return std::nullopt;
}

}  // namespace chg
