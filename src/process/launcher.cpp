#include "process/launcher.h"

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/find_program.h"
#include "base/text.h"

namespace chg {
namespace {

enum class Found { No, NotExecutable, Yes };

Found look_at(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return errno == EACCES ? Found::NotExecutable : Found::No;
  const bool runs = S_ISREG(status.st_mode) && access(file.c_str(), X_OK) == 0;
  return runs ? Found::Yes : Found::NotExecutable;
}

// `file` is what was found under the name, and can't be executed; empty: nothing was.
[[noreturn]] void refuse(const std::string& name, const std::string& file) {
  const std::string shown = printable(name);
  if (!file.empty()) {
    struct stat status {};
    if (stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      throw Error(ErrorKind::NotExecutable, fmt::format("command '{}' is a directory", shown));
    }
    throw Error(ErrorKind::NotExecutable, fmt::format("command '{}' is not executable", shown),
                fmt::format("make it executable: chmod +x '{}', or name its interpreter before it",
                            printable(file)));
  }
  const bool several_words = name.find(' ') != std::string::npos;
  throw Error(ErrorKind::NotFound, fmt::format("command '{}' not found", shown),
              several_words ? "write the command and its arguments as separate words, without "
                              "quotes around them all"
                            : "");
}

}  // namespace

std::string resolve_command(const std::string& name, const std::string& search_path) {
  if (name.empty()) refuse(name, "");
  const bool is_path = name.find('/') != std::string::npos;
  std::string not_executable;
  for (const std::string& file : program_candidates(name, search_path)) {
    const Found found = look_at(file);
    if (found == Found::Yes) return file;
    struct stat status {};
    const bool is_meant =
        found == Found::NotExecutable &&
        (is_path || (stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode)));
    if (is_meant && not_executable.empty()) not_executable = file;
  }
  refuse(name, not_executable);
}

void become(const std::string& file, const std::vector<std::string>& arguments,
            const std::vector<std::pair<std::string, std::string>>& variables) {
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // The file holds a slash, so nothing is searched for again; and execvp knows what to do with a
  // script that lacks its #!.
  execvp(file.c_str(), argv.data());
  const ErrorKind kind = errno == ENOENT ? ErrorKind::NotFound : ErrorKind::NotExecutable;
  throw Error(kind, errno_error(fmt::format("cannot run '{}'", printable(file)), errno).what());
}

}  // namespace chg
