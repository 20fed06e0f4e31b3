#include "base/file_lock.h"

#include <cerrno>
#include <csignal>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/file_text.h"
#include "base/text.h"

namespace chg {
namespace {

// Interrupts a blocking flock in this thread when time is up. A signal is the only way to bound it;
// the timer repeats, so that one that strikes just before the call does not go unnoticed.
class Alarm {
 public:
  explicit Alarm(Duration after) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    // First: nothing is undone where a constructor throws.
    if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) throw_errno("cannot make a timer");
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART: the call returns EINTR
    sigaction(SIGALRM, &action, &old_action_);
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, &old_mask_);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(after);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (after - seconds).count();
    when.it_interval.tv_nsec = 100'000'000;
    timer_settime(timer_, 0, &when, nullptr);
  }

  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  ~Alarm() {
    timer_delete(timer_);
    pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
    sigaction(SIGALRM, &old_action_, nullptr);
  }

 private:
  struct sigaction old_action_ {};
  sigset_t old_mask_{};
  timer_t timer_{};
};

std::string name_of(int pid) {
  const auto name = read_file(fmt::format("/proc/{}/comm", pid));
  if (!name) return "a process of another pid namespace";
  return printable(trimmed(*name), 40);
}

// The process that holds the flock on this file, from the kernel's list: lines such as
// "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF". Blocked ones have "->" behind the number.
std::string holder_of(int fd) {
  struct stat file {};
  fstat(fd, &file);
  std::istringstream locks(read_file("/proc/locks").value_or(""));
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, type, mode, access, inode;
    int pid = 0;
    words >> number >> type >> mode >> access >> pid >> inode;
    const bool same = type == "FLOCK" && inode.ends_with(fmt::format(":{}", file.st_ino));
    if (same) return fmt::format("process {} ({}) holds it; is it stopped?", pid, name_of(pid));
  }
  return "see who holds it in /proc/locks";
}

}  // namespace

FileLock::FileLock(const std::string& file, const std::string& what, Duration patience)
    : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
  if (!fd_) throw_errno(fmt::format("cannot open '{}'", file));
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return;
  const Alarm alarm(patience);
  const auto begin = SteadyClock::now();
  while (flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      throw errno_error(fmt::format("cannot lock '{}'", file), errno, kAbleDiskHint);
    }
    if (SteadyClock::now() - begin < patience) continue;  // a signal of somebody else's
    throw Error(ErrorKind::Failed,
                fmt::format("{} is locked for {}: '{}'", what, to_short_text(patience), file),
                holder_of(fd_.get()))
        .with(Retry::Busy);
  }
}

}  // namespace chg
