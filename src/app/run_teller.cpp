#include "app/run_teller.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/isolation.h"
#include "base/process_stat.h"
#include "base/text.h"

namespace chg {
namespace {

// Whose process it is, where the owner of the run may not signal it.
std::string stranger_of(int pid, std::uint32_t uid) {
  const auto real_uid = read_real_uid(pid);
  if (uid == 0 || !real_uid || *real_uid == uid) return "";
  return name_of_account(*real_uid);
}

}  // namespace

void RunTeller::tell(const RunNews& news) const {
  if (!user_stderr_ || is_closed_) return;
  const std::string line = message_line("canhazgpu: " + text_(news));
  // The descriptor is also the command's, so it cannot be made one that never blocks.
  IsolatedTime time{std::chrono::seconds(1)};
  time.its_stderr = user_stderr_.get();
  run_isolated(
      "telling",
      [&](Notes&) {
        const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
        static_cast<void>(written);  // nobody listens any more
      },
      time);
}

void RunTeller::close() {
  is_closed_ = true;
  struct stat file {};
  const bool is_file = ::fstat(user_stderr_.get(), &file) == 0 && S_ISREG(file.st_mode);
  if (!is_file) user_stderr_.reset();
}

std::vector<NamedProcess> named(const std::vector<ProcessIdentity>& processes, std::uint32_t uid) {
  std::vector<NamedProcess> found;
  for (const ProcessIdentity& process : processes) {
    const auto stat = read_stat(process.pid);
    if (!stat || stat->start_ticks != process.start_ticks) continue;
    found.push_back({process.pid, stat->name, stranger_of(process.pid, uid)});
  }
  return found;
}

}  // namespace chg
