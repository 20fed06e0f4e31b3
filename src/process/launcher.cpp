#include "process/launcher.h"

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/find_program.h"
#include "base/shell_word.h"
#include "base/text.h"

namespace chg {
namespace {

enum class Found { No, Odd, Directory, NotExecutable, Yes };

Found look_at(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return errno == EACCES ? Found::Odd : Found::No;
  if (S_ISDIR(status.st_mode)) return Found::Directory;
  if (!S_ISREG(status.st_mode)) return Found::Odd;
  return access(file.c_str(), X_OK) == 0 ? Found::Yes : Found::NotExecutable;
}

// `file` is what was found under the name, and cannot be executed.
[[noreturn]] void refuse(const std::string& name, Found found, const std::string& file) {
  const std::string shown = printable(name);
  if (found == Found::Directory) {
    throw Error(ErrorKind::NotExecutable, fmt::format("command '{}' is a directory", shown),
                "name a program in it");
  }
  if (found != Found::No) {
    throw Error(ErrorKind::NotExecutable, fmt::format("command '{}' is not executable", shown),
                fmt::format("make it executable: chmod +x -- {}; or name its interpreter before it",
                            shell_word(file)));
  }
  const bool several_words = name.find(' ') != std::string::npos;
  throw Error(ErrorKind::NotFound, fmt::format("command '{}' not found", shown),
              several_words ? "write the command and its arguments as separate words, without "
                              "quotes around them all"
                            : "is it installed, and in a folder of your PATH?");
}

}  // namespace

std::string resolve_command(const std::string& name, const std::string& search_path) {
  if (name.empty()) refuse(name, Found::No, "");
  const bool is_path = name.find('/') != std::string::npos;
  for (const std::string& file : program_candidates(name, search_path)) {
    const Found found = look_at(file);
    if (found == Found::Yes) return file;
    if (is_path) refuse(name, found, file);
  }
  for (const std::string& file : program_candidates(name, search_path)) {
    if (look_at(file) == Found::NotExecutable) refuse(name, Found::NotExecutable, file);
  }
  refuse(name, Found::No, "");
}

void become(const std::string& file, const std::vector<std::string>& arguments,
            const Variables& variables) {
  for (const auto& [name, value] : variables) {
    if (value) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // The file holds a slash, so nothing is searched for again; and execvp knows what to do with a
  // script that lacks its #!.
  execvp(file.c_str(), argv.data());
  const ErrorKind kind = errno == ENOENT ? ErrorKind::NotFound : ErrorKind::NotExecutable;
  // A file was found: what is missing is named in it.
  const char* const hint = kind == ErrorKind::NotFound
                               ? "is the interpreter there that its first line names (#!)?"
                               : "is it a program for this kind of machine? see: file PATH";
  throw Error(kind, errno_error(fmt::format("cannot run '{}'", file), errno).what(), hint);
}

}  // namespace chg
