#include "process/detached.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

// The memory in which the kernel laid the arguments and, right behind, the environment.
std::span<char>& argument_area() {
  static std::span<char> area;
  return area;
}

void show_title(const std::string& title) {
  // The variables move to the heap first: the probe's tools need them later (PATH,
  // LD_LIBRARY_PATH).
  std::size_t count = 0;
  while (environ[count] != nullptr) ++count;
  auto** copy = static_cast<char**>(calloc(count + 1, sizeof(char*)));
  if (copy == nullptr) return;
  for (std::size_t i = 0; i < count; ++i) copy[i] = strdup(environ[i]);
  environ = copy;
  const std::span<char> area = argument_area();
  std::fill(area.begin(), area.end(), '\0');
  if (!area.empty()) title.copy(area.data(), area.size() - 1);
  prctl(PR_SET_NAME, kSupervisorName);
}

// Closes all descriptors but for these, which are in ascending order, and the standard ones.
void close_all_but(std::span<const int> kept) {
  unsigned next = STDERR_FILENO + 1;
  for (const int fd : kept) {
    const auto place = static_cast<unsigned>(fd);
    if (fd < 0 || place < next) continue;
    if (place > next) close_range(next, place - 1, 0);
    next = place + 1;
  }
  close_range(next, ~0U, 0);
}

// Where this one was started inside another job, it would pass for a process of that one by its
// mark (process/job.h). And it watches each process of its own job by a descriptor.
void take_whole_limits() {
  for (const auto resource : {RLIMIT_LOCKS, RLIMIT_NOFILE}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(resource, &limit);
  }
}

void leave_everything(int report, int user_stderr) {
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, fd);
  close_all_but(std::array{std::min(report, user_stderr), std::max(report, user_stderr)});
  take_whole_limits();
  if (chdir("/") != 0) return;
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGPIPE}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

constexpr char kReady = '\0';

// The life of the detached process. Says its pid, then kReady when it is, or else why it never will
// be: the kind of error, the message, and behind a NUL the hint.
[[noreturn]] void live(const std::string& title, UniqueFd report,
                       const std::function<void(const std::function<void()>&)>& body,
                       const DetachedHooks& hooks) {
  const auto say = [&](std::string_view text) {
    const ssize_t written = ::write(report.get(), text.data(), text.size());
    static_cast<void>(written);  // nobody listens any more: the run has been killed
  };
  try {
    const pid_t self = getpid();
    say({reinterpret_cast<const char*>(&self), sizeof self});
    hooks.disown();
    UniqueFd user_stderr;
    if (hooks.take_stderr) user_stderr.reset(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    leave_everything(report.get(), user_stderr.get());
    show_title(title);
    if (hooks.take_stderr) hooks.take_stderr(std::move(user_stderr));
    body([&] {
      say(std::string_view(&kReady, 1));
      report.reset();
    });
  } catch (const std::exception& error) {
    const auto* known = dynamic_cast<const Error*>(&error);
    const ErrorKind kind = known == nullptr ? ErrorKind::Failed : known->kind();
    const std::string hint = known == nullptr ? "" : known->hint();
    if (report) say(static_cast<char>(kind) + std::string(error.what()) + '\0' + hint);
    _exit(1);
  }
  _exit(0);
}

// Forks a process that has no parent, which does `body`; false when it cannot. The process between
// the two lends this one's memory (vfork) and changes nothing in it: to copy all page tables for it
// would cost as much as the rest of the start.
bool fork_orphan(const std::function<void()>& body) {
  const pid_t middle = vfork();
  if (middle < 0) return false;
  if (middle == 0) {
    setsid();
    const pid_t last = fork();
    if (last == 0) body();
    _exit(last < 0 ? errno : 0);
  }
  int status = 0;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
  return errno == 0;
}

[[noreturn]] void refuse_start(ErrorKind kind, std::string_view why, std::string_view hint = "") {
  throw Error(kind, fmt::format("cannot start the supervisor of the run: {}", why),
              std::string(hint));
}

// What the detached process says next; "" when it has ended.
std::string read_report(const UniqueFd& report, std::size_t size_max) {
  std::string text(size_max, '\0');
  ssize_t size = 0;
  do {
    size = ::read(report.get(), text.data(), text.size());
  } while (size < 0 && errno == EINTR);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return text;
}

pid_t await_pid(const UniqueFd& report) {
  pid_t pid = 0;
  // Written at once, and less than a pipe ever divides.
  const std::string bytes = read_report(report, sizeof pid);
  if (bytes.size() != sizeof pid) refuse_start(ErrorKind::Failed, "it ended at once");
  std::memcpy(&pid, bytes.data(), sizeof pid);
  return pid;
}

void await_ready(const UniqueFd& report) {
  const std::string text = read_report(report, 1024);
  if (text.empty()) refuse_start(ErrorKind::Failed, "it ended at once");
  if (text[0] == kReady) return;
  std::string_view hint = std::string_view(text).substr(1);
  const std::string_view why = cut(hint, '\0');
  refuse_start(static_cast<ErrorKind>(static_cast<unsigned char>(text[0])), why, hint);
}

}  // namespace

void remember_arguments(int argc, char** argv) {
  if (argc < 1) return;
  char* end = argv[argc - 1] + std::strlen(argv[argc - 1]) + 1;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    // Only while they lie behind one another; what was set later lies elsewhere.
    if (*variable == end) end += std::strlen(end) + 1;
  }
  argument_area() = std::span<char>(argv[0], end);
}

void start_detached(const std::string& title,
                    const std::function<void(const std::function<void()>& ready)>& body,
                    const DetachedHooks& hooks) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  const UniqueFd report(ends[0]);
  UniqueFd reporter(ends[1]);
  // Above the standard ones, which the detached process replaces; they may be closed here.
  reporter.reset(fcntl(reporter.get(), F_DUPFD_CLOEXEC, 3));
  if (!reporter) throw_errno("cannot make a pipe");
  const auto body_of_orphan = [&] { live(title, std::move(reporter), body, hooks); };
  if (!fork_orphan(body_of_orphan)) throw_errno("cannot start the supervisor of the run");
  reporter.reset();
  hooks.meanwhile(await_pid(report));
  await_ready(report);
}

}  // namespace chg
