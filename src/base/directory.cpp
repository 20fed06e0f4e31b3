#include "base/directory.h"

#include <sys/stat.h>

namespace chg {
namespace {

// Not by a later chmod, which would follow a link that somebody puts in the directory's place.
class NoUmask {
 public:
  NoUmask() : before_(::umask(0)) {}
  ~NoUmask() { ::umask(before_); }
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;

 private:
  mode_t before_;
};

}  // namespace

void make_directories(const std::filesystem::path& directory, mode_t mode) {
  const NoUmask no_umask;
  std::filesystem::path made;
  for (const std::filesystem::path& part : directory) {
    made /= part;
    ::mkdir(made.c_str(), mode);
  }
}

}  // namespace chg
