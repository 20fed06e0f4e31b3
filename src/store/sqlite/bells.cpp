#include "store/sqlite/bells.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

// Requests share a fixed set of bells: enough that few are woken for another's sake, and nothing to
// make or to clean up for each.
constexpr unsigned kRequestBells = 64;

class Listener final : public Subscription {
 public:
  explicit Listener(std::string path) : path_(std::move(path)) { renew(); }
  int fd() const override { return fd_.get(); }

  void renew() override {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (!fd_) throw_errno(fmt::format("cannot listen at '{}'", path_));
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

// Gives what is open here its group and its mode, whatever the umask says, if it is the caller's.
void share(int fd, const std::string& path, unsigned mode, int gid) {
  struct stat made {};
  if (fstat(fd, &made) != 0 || made.st_uid != geteuid()) {
    throw Error(ErrorKind::NotPermitted, fmt::format("'{}' belongs to somebody else", path),
                "remove it");
  }
  if ((gid >= 0 && fchown(fd, -1U, static_cast<gid_t>(gid)) != 0) || fchmod(fd, mode) != 0) {
    throw_errno(fmt::format("cannot share '{}'", path));
  }
}

void make_fifo(const std::string& path, unsigned mode, int gid) {
  if (mkfifo(path.c_str(), mode) != 0 && errno != EEXIST) {
    throw_errno(fmt::format("cannot make '{}'", path));
  }
  // What was there may be somebody's link to something else.
  struct stat made {};
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || fstat(fd.get(), &made) != 0 || !S_ISFIFO(made.st_mode) || made.st_nlink != 1) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is no FIFO", path), "remove it");
  }
  share(fd.get(), path, mode, gid);
}

std::string path_of_slot(const std::string& directory, unsigned slot) {
  return fmt::format("{}/request.{:02}", directory, slot);
}

std::string path_of_changes(const std::string& directory) { return directory + "/changes"; }

}  // namespace

void Bells::create(unsigned mode, int gid) const {
  const unsigned directory_mode = mode | (mode & 0444U) >> 2U;  // who may read may also enter
  if (mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw_errno(fmt::format("cannot make '{}'", directory_));
  }
  const UniqueFd fd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is no directory", directory_), "remove it");
  }
  // Nobody but its maker may take a bell away.
  share(fd.get(), directory_, directory_mode & ~0022U, gid);
  for (unsigned slot = 0; slot < kRequestBells; ++slot) {
    make_fifo(path_of_slot(directory_, slot), mode, gid);
  }
  make_fifo(path_of_changes(directory_), mode, gid);
}

bool Bells::are_made() const {
  std::vector<std::string> paths = {path_of_changes(directory_)};
  for (unsigned slot = 0; slot < kRequestBells; ++slot) {
    paths.push_back(path_of_slot(directory_, slot));
  }
  return std::all_of(paths.begin(), paths.end(),
                     [](const std::string& path) { return access(path.c_str(), F_OK) == 0; });
}

std::string Bells::path_for(const std::string& request_id) const {
  return path_of_slot(directory_, hash_of(request_id) % kRequestBells);
}

std::unique_ptr<Subscription> Bells::listen_to(const std::string& request_id) const {
  return std::make_unique<Listener>(path_for(request_id));
}

std::unique_ptr<Subscription> Bells::listen_to_changes() const {
  return std::make_unique<Listener>(path_of_changes(directory_));
}

std::vector<UniqueFd> Bells::pull(const std::vector<std::string>& request_ids) const {
  std::vector<std::string> paths = {path_of_changes(directory_)};
  for (const std::string& id : request_ids) paths.push_back(path_for(id));
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  std::vector<UniqueFd> pulled;
  for (const std::string& path : paths) {
    // For reading too: a FIFO that nobody listens at can't be opened for writing alone, and
    // somebody may begin to listen before the commit.
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (fd) pulled.push_back(std::move(fd));
  }
  return pulled;
}

}  // namespace chg
