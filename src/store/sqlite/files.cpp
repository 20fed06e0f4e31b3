#include "store/sqlite/files.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "store/sqlite/bells.h"

namespace chg {
namespace {

using std::filesystem::path;

// The log and its index are SQLite's; it would make them with the rights of whoever comes first.
constexpr const char* kSuffixes[] = {"", "-lock", "-wal", "-shm", "-standby", "-reading"};

[[noreturn]] void refuse_directory(const path& directory, const char* why) {
  throw Error(ErrorKind::NotPermitted,
              fmt::format("root shares no pool below '{}', which {}", directory.string(), why),
              "name a folder of root's that nobody else can write: --store sqlite:PATH");
}

// A directory with the sticky bit, such as /tmp, keeps people from each other's entries. In the
// store's own directory it does not suffice: SQLite obeys files that are made beside a database.
void require_roots_own(const path& directory, bool is_parent) {
  struct stat found {};
  if (lstat(directory.c_str(), &found) != 0) {
    throw_errno(fmt::format("cannot look at '{}'", directory.string()));
  }
  const bool is_sticky = is_parent && (found.st_mode & S_ISVTX) != 0;
  if (found.st_uid != 0) refuse_directory(directory, "belongs to somebody else");
  if ((found.st_mode & 0022U) != 0 && !is_sticky) {
    refuse_directory(directory, "others can write");
  }
}

// What root makes in it, nobody else can exchange meanwhile. Others harm only themselves.
void require_roots_own_parents(path directory) {
  for (require_roots_own(directory, true); directory != directory.parent_path();) {
    directory = directory.parent_path();
    require_roots_own(directory, true);
  }
}

// Whether all that is in the directory is a store's.
bool holds_only_a_store(const path& directory, const std::string& store_name) {
  const std::filesystem::directory_iterator entries(directory);
  return std::all_of(begin(entries), end(entries), [&](const auto& entry) {
    const std::string name = entry.path().filename();
    return name.starts_with(store_name) || name == "fake-gpus.json";
  });
}

// By names that are no links.
path real_path_of(const path& directory) {
  std::error_code failure;
  path real = std::filesystem::canonical(directory, failure);
  if (!failure) return real;
  throw errno_error(fmt::format("cannot reach '{}'", directory.string()), failure.value());
}

// Makes the directory of the store where it is missing; returns it by a name without links. One
// that was there is somebody's choice, and is shared only with a group that is named now, if
// nothing else is in it.
path make_directory(const path& store, const Sharing& sharing) {
  const path named = std::filesystem::absolute(store).parent_path();
  const bool is_shared = (sharing.mode & 0066U) != 0;
  const bool shares_as_root = geteuid() == 0 && is_shared;
  // Whoever shares the store has to pass through those above it, too.
  make_directories(named.parent_path(), is_shared ? 0755 : 0700);
  const path parent = real_path_of(named.parent_path());
  if (shares_as_root) require_roots_own_parents(parent);
  const bool is_new = mkdir((parent / named.filename()).c_str(), 0755) == 0;
  if (!is_new && errno != EEXIST) throw_errno(fmt::format("cannot make '{}'", named.string()));
  const path directory = real_path_of(parent / named.filename());
  if (shares_as_root) {
    require_roots_own_parents(directory.parent_path());
    require_roots_own(directory, false);
  }
  if (!is_new && (sharing.gid < 0 || !holds_only_a_store(directory, store.filename()))) {
    return directory;
  }
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const unsigned readers = sharing.mode & 0444U;
  const auto gid = static_cast<gid_t>(sharing.gid);
  const bool owned = fd && (sharing.gid < 0 || fchown(fd.get(), -1U, gid) == 0);
  if (!owned || fchmod(fd.get(), 0300U | readers | readers >> 2U) != 0) {
    throw_errno(fmt::format("cannot share '{}'", directory.string()));
  }
  return directory;
}

// Makes the file where it is missing, and gives it its mode whatever the umask says.
void make_file(const std::string& file, const Sharing& sharing) {
  const UniqueFd fd(
      ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd) throw_errno(fmt::format("cannot make '{}'", file));
  // Rights to a file that has another name elsewhere are not ours to give.
  struct stat made {};
  if (fstat(fd.get(), &made) != 0 || !S_ISREG(made.st_mode) || made.st_nlink != 1) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is no file of its own", file), "remove it");
  }
  if (made.st_uid != geteuid()) {
    throw Error(ErrorKind::NotPermitted, fmt::format("'{}' belongs to somebody else", file),
                "remove it, or name another file with --store sqlite:PATH");
  }
  const bool owned = sharing.gid < 0 || fchown(fd.get(), -1U, static_cast<gid_t>(sharing.gid)) == 0;
  if (!owned || fchmod(fd.get(), sharing.mode) != 0) {
    throw_errno(fmt::format("cannot share '{}'", file));
  }
}

}  // namespace

void make_store_files(const std::string& store, const Sharing& sharing) {
  const std::string real = make_directory(store, sharing) / path(store).filename();
  for (const char* suffix : kSuffixes) make_file(real + suffix, sharing);
  Bells(real + "-bells").create(sharing.mode, sharing.gid);
}

bool has_store_files(const std::string& store) {
  return Bells(store + "-bells").are_made() &&
         std::all_of(std::begin(kSuffixes), std::end(kSuffixes), [&](const char* suffix) {
           return access((store + suffix).c_str(), F_OK) == 0;
         });
}

Sharing sharing_of_file(const std::string& file) {
  struct stat found {};
  if (stat(file.c_str(), &found) != 0) throw_errno(fmt::format("cannot read '{}'", file));
  return {found.st_mode & 0666U, static_cast<int>(found.st_gid)};
}

}  // namespace chg
