#include "probe/isolated_probe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/poll.h"
#include "base/unique_fd.h"
#include "probe/observation_text.h"

// Two processes are forked: the looker, and its parent, the monitor, which tells how the looker
// ended. The monitor does nothing but wait, so it can always be killed and reaped; a looker that
// can't be is nobody's but init's then. Both write into one pipe, one after the other:
//
//   looker:   the look as text, which has no newline in it
//   monitor:  a newline, and the looker's wait status as a decimal number

namespace chg {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Reason = LookFailure::Reason;

constexpr std::size_t kAnswerBytesMax = 16U << 20;
// A killed process needs a moment to end; one that takes longer is stuck, and is not waited for.
constexpr std::chrono::milliseconds kKillWait(100);

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) return;  // nobody listens any more
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Leaves the terminal, the signals and the open files of the parent. `fd` is kept, as number 3.
int leave_parent(int fd) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  constexpr int kKept = STDERR_FILENO + 1;
  if (fd != kKept) ::dup2(fd, kKept);
  // A lock belongs to whoever has the file open, and a looker may be there for long. closefrom
  // works on kernels that have no close_range, too.
  ::closefrom(kKept + 1);
  ::close(STDIN_FILENO);
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(nothing, STDERR_FILENO);
  ::fcntl(kKept, F_SETFD, FD_CLOEXEC);  // the library may start programs
  return kKept;
}

LookResult caught(const std::function<LookResult()>& look) {
  try {
    return look();
  } catch (const Error& error) {
    return LookFailure{Reason::Other, error};
  } catch (const std::exception& problem) {
    return LookFailure{Reason::Other, Error(ErrorKind::Failed, problem.what())};
  }
}

[[noreturn]] void run_looker(int fd, const std::function<LookResult()>& look, Duration deadline) {
  ::signal(SIGTERM, SIG_DFL);
  // Looks are frequent, and a library that crashes does so in each of them.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(deadline).count();
  ::alarm(static_cast<unsigned>(std::clamp<std::int64_t>(seconds, 0, 86400) + 1));
  write_all(fd, look_text(caught(look)));
  ::_exit(0);
}

[[noreturn]] void run_monitor(int fd, const std::function<LookResult()>& look, Duration deadline,
                              const std::string& failure_to_start) {
  fd = leave_parent(fd);
  // By this signal the parent ends the looker, and leaves the monitor to reap it.
  ::signal(SIGTERM, SIG_IGN);
  const pid_t looker = ::fork();
  if (looker == 0) run_looker(fd, look, deadline);
  int status = 0;
  if (looker < 0) {
    write_all(fd, look_text(LookFailure{Reason::Other, errno_error(failure_to_start, errno)}));
  }
  while (looker > 0 && ::waitpid(looker, &status, 0) < 0 && errno == EINTR) {
  }
  write_all(fd, fmt::format("\n{}", status));
  ::_exit(0);
}

// The monitor, seen from the parent. It and the looker are gone at the end of its life, unless the
// looker is stuck.
class Monitor {
 public:
  Monitor(pid_t pid, UniqueFd pipe) : pid_(pid), pipe_(std::move(pipe)) {}
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Takes what was said up to the end or `until`; whether it is the end.
  bool listen(SteadyClock::time_point until, std::string& said);

 private:
  pid_t pid_;
  UniqueFd pipe_;
  bool ended_ = false;
};

bool Monitor::listen(SteadyClock::time_point until, std::string& said) {
  std::array<char, 65536> buffer;
  while (!ended_ && said.size() <= kAnswerBytesMax) {
    const auto left = until - SteadyClock::now();
    if (left <= Duration::zero()) return false;
    if (!wait_ready({pipe_.get()}, left)[0]) continue;
    const ssize_t count = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno != EINTR) throw_errno("cannot read from a process");
    if (count > 0) said.append(buffer.data(), static_cast<std::size_t>(count));
    ended_ = count == 0;
  }
  return ended_;
}

// The numbers of the process and its group are its own for as long as the pipe is open: monitor or
// looker are there, and both are of the group.
Monitor::~Monitor() {
  std::string ignored;
  if (!ended_) ::kill(-pid_, SIGTERM);
  try {
    listen(SteadyClock::now() + kKillWait, ignored);
  } catch (const Error&) {
    ended_ = false;
  }
  if (!ended_) {
    // In this order: it may not have left the parent's group yet, and must not start a looker now.
    ::kill(pid_, SIGKILL);
    ::kill(-pid_, SIGKILL);
  }
  // Where SIGCHLD is ignored the kernel reaps, and this waits for it.
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

LookFailure crash(const std::string& what) {
  return {Reason::Crashed, Error(ErrorKind::Failed, what,
                                 "See dmesg; the driver and its library may not fit together.")};
}

LookResult answer_of(std::string_view said, const std::string& name) {
  const std::size_t end = said.rfind('\n');
  if (end == std::string_view::npos) return crash(name + " ended without an answer");
  int status = -1;
  std::from_chars(said.data() + end + 1, said.data() + said.size(), status);
  if (WIFSIGNALED(status)) {
    return crash(fmt::format("{} crashed (signal {})", name, WTERMSIG(status)));
  }
  if (status != 0) {
    return crash(
        fmt::format("{} ended without an answer (exit status {})", name, WEXITSTATUS(status)));
  }
  try {
    return parse_look(said.substr(0, end));
  } catch (const Error& error) {
    return crash(fmt::format("{} gave no answer: {}", name, error.what()));
  }
}

std::pair<UniqueFd, UniqueFd> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

IsolatedProbe::IsolatedProbe(std::string name, std::function<LookResult()> look, Duration deadline)
    : name_(std::move(name)), look_(std::move(look)), deadline_(deadline) {}

Observation IsolatedProbe::look() { return observation_or_throw(try_look()); }

LookResult IsolatedProbe::try_look() {
  const auto until = SteadyClock::now() + deadline_;
  const std::string failure_to_start = fmt::format("cannot start a process for {}", name_);
  auto [read, write] = make_pipe();
  const pid_t pid = ::fork();
  if (pid < 0) return LookFailure{Reason::Other, errno_error(failure_to_start, errno)};
  if (pid == 0) run_monitor(write.get(), look_, deadline_, failure_to_start);
  write.reset();
  Monitor monitor(pid, std::move(read));
  std::string said;
  if (monitor.listen(until, said)) return answer_of(said, name_);
  if (said.size() > kAnswerBytesMax) {
    return LookFailure{Reason::Other, Error(ErrorKind::Failed, name_ + " gave more than 16 MiB")};
  }
  return LookFailure{Reason::Late, Error(ErrorKind::Failed,
                                         fmt::format("{} did not answer within {}", name_,
                                                     to_short_text(deadline_)),
                                         "A GPU or its driver may be stuck: see dmesg.")};
}

}  // namespace chg
