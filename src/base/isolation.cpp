#include "base/isolation.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/poll.h"
#include "base/process_stat.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

using Reason = IsolatedFailure::Reason;

// A killed process needs a moment to end; one that takes longer is stuck, and is not waited for.
constexpr std::chrono::milliseconds kKillWait(100);

// How long any item of a list may hang at least.
constexpr std::chrono::milliseconds kItemPatienceMin(50);

using Size = std::atomic<std::size_t>;
static_assert(Size::is_always_lock_free);  // it is shared between processes
constexpr std::size_t kMapBytes = sizeof(Size) + Notes::kBytesMax;

Size& size_in(void* memory) { return *static_cast<Size*>(memory); }

char* bytes_in(void* memory) { return static_cast<char*>(memory) + sizeof(Size); }

// Leaves the terminal, the signals and the open files of the parent.
void leave_parent(int its_stderr) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // A lock belongs to whoever has the file open, and this process may be there for long. closefrom
  // works on kernels that have no close_range, too.
  if (its_stderr >= 0) ::dup2(its_stderr, STDERR_FILENO);
  ::closefrom(its_stderr >= 0 ? STDERR_FILENO + 1 : STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  if (its_stderr < 0) ::dup2(nothing, STDERR_FILENO);
  if (nothing > STDERR_FILENO) ::close(nothing);
}

[[noreturn]] void run_child(const std::function<void(Notes&)>& work, Notes& notes,
                            const IsolatedTime& time) {
  leave_parent(time.its_stderr);
  // Looks are frequent, and a library that crashes does so in each of them.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time.timeout).count();
  ::alarm(static_cast<unsigned>(std::clamp<std::int64_t>(seconds, 0, 86400) + 1));
  try {
    work(notes);
  } catch (...) {
    ::_exit(EXIT_FAILURE);
  }
  ::_exit(EXIT_SUCCESS);
}

// A fork whose child has no signal for its end: no wait that doesn't ask for such children finds
// it, and should it stay for ever, the program that this process becomes by exec knows nothing of
// it. 0 in the child; -1 where it fails.
pid_t fork_unheard(UniqueFd& pidfd) {
  int fd = -1;
  const long pid = ::syscall(SYS_clone, CLONE_PIDFD, nullptr, &fd, nullptr, nullptr);
  if (pid > 0) pidfd.reset(fd);
  return static_cast<pid_t>(pid);
}

// Whether the process has, or wants, a processor: it waits for nothing else.
bool is_runnable(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat && stat->state == 'R';
}

// The process, seen from the parent. It is gone at the end of its life, unless it is stuck.
class Child {
 public:
  Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Its wait status, if it ends within this time.
  std::optional<int> await(const IsolatedTime& time, const Notes& notes);

 private:
  bool await_end(SteadyClock::time_point until);
  int reap();
  void kill();

  pid_t pid_;  // 0: it is reaped
  UniqueFd pidfd_;
};

bool Child::await_end(SteadyClock::time_point until) {
  while (true) {
    const auto left = until - SteadyClock::now();
    if (wait_ready({pidfd_.get()}, left)[0]) return true;
    if (left <= Duration::zero()) return false;
  }
}

std::optional<int> Child::await(const IsolatedTime& time, const Notes& notes) {
  const auto start = SteadyClock::now();
  std::size_t seen = 0;
  auto last_sign = start;
  while (true) {
    const auto passed = SteadyClock::now() - start;
    if (passed >= time.timeout) return std::nullopt;
    const auto turn = std::min(time.timeout - passed, time.patience);
    if (await_end(SteadyClock::now() + turn)) return reap();
    // In this order: what it writes down and then waits is seen.
    const bool is_working = is_runnable(pid_);
    const std::size_t size = notes.size();
    if (size == 0 || size != seen || is_working) last_sign = SteadyClock::now();
    seen = size;
    if (SteadyClock::now() - last_sign < time.patience) continue;
    // It may have ended since, and so not run.
    if (!await_end(SteadyClock::now())) return std::nullopt;
    return reap();
  }
}

int Child::reap() {
  // What it has started and left. The number of the group is its own until it is reaped.
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, __WALL) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status;
}

void Child::kill() {
  if (pid_ == 0) return;
  // In this order: it may not have left the parent's group yet.
  ::kill(pid_, SIGKILL);
  ::kill(-pid_, SIGKILL);
  if (await_end(SteadyClock::now() + kKillWait)) reap();
}

// Those that were stuck, and have ended since.
void reap_former() {
  while (::waitpid(-1, nullptr, __WCLONE | WNOHANG) > 0) {
  }
}

IsolatedFailure failure(Reason reason, const std::string& message) {
  return {reason, Error(ErrorKind::Failed, message)};
}

std::optional<IsolatedFailure> failure_of(int status, const std::string& name) {
  if (WIFSIGNALED(status)) {
    return failure(Reason::Crashed, fmt::format("{} crashed (signal {})", name, WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == EXIT_SUCCESS) return std::nullopt;
  return failure(Reason::Crashed, fmt::format("{} ended without an answer (exit status {})", name,
                                              WEXITSTATUS(status)));
}

IsolatedFailure late(const std::string& name, Duration timeout) {
  return failure(Reason::Late,
                 fmt::format("{} did not answer within {}", name, to_short_text(timeout)));
}

}  // namespace

void Notes::Unmapper::operator()(void* memory) const { ::munmap(memory, kMapBytes); }

Notes::Notes() {
  void* const memory = ::mmap(nullptr, kMapBytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw_errno("cannot share memory with a process");
  memory_.reset(memory);
  new (memory) Size(0);
}

bool Notes::add(std::string_view bytes) {
  const std::size_t before = size();
  if (bytes.size() > kBytesMax - before) return false;
  std::memcpy(bytes_in(memory_.get()) + before, bytes.data(), bytes.size());
  size_in(memory_.get()).store(before + bytes.size(), std::memory_order_release);
  return true;
}

std::size_t Notes::size() const {
  // A library that runs wild may have written anything here.
  return std::min(size_in(memory_.get()).load(std::memory_order_acquire), kBytesMax);
}

std::string Notes::text() const { return {bytes_in(memory_.get()), size()}; }

IsolatedEnd run_isolated(const std::string& name, const std::function<void(Notes&)>& work,
                         const IsolatedTime& time) {
  reap_former();
  std::optional<Notes> made;
  try {
    made.emplace();
  } catch (const Error& error) {
    return {{}, IsolatedFailure{Reason::NotStarted, error}};
  }
  Notes& notes = *made;
  UniqueFd pidfd;
  const pid_t pid = fork_unheard(pidfd);
  if (pid < 0) {
    return {{},
            IsolatedFailure{Reason::NotStarted,
                            errno_error("cannot start a process for " + name, errno)}};
  }
  if (pid == 0) run_child(work, notes, time);
  const std::optional<int> status = Child(pid, std::move(pidfd)).await(time, notes);
  return {notes.text(),
          status ? failure_of(*status, name) : std::optional(late(name, time.timeout))};
}

void bounded_map(const std::string& name, const IsolatedList& list, Duration timeout) {
  const auto until = SteadyClock::now() + timeout;
  Duration patience = kItemPatience;
  std::size_t next = 0;
  while (next < list.size) {
    const Duration left = until - SteadyClock::now();
    if (left <= Duration::zero()) return;
    const IsolatedEnd end =
        run_isolated(name, [&](Notes& notes) { list.work(next, notes); }, {left, patience});
    const std::size_t begun = list.take(next, end.notes);
    if (!end.failure || begun == next) return;
    next = begun;
    patience = std::max<Duration>(patience / 2, kItemPatienceMin);
  }
}

}  // namespace chg
