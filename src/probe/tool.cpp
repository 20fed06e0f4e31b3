#include "probe/tool.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/find_program.h"
#include "base/poll.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

constexpr std::size_t kOutputBytesMax = 16U << 20;
// A killed process needs a moment to end; one that takes longer is stuck, and is not waited for.
constexpr int kKillWaitMs = 100;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void check(int error_number, const std::string& what) {
  if (error_number != 0) throw errno_error(what, error_number);
}

// The number of `fd` must be none of those that the tool gets as 0, 1 and 2: where the caller runs
// without them, a pipe could take their place and be overwritten on the way.
UniqueFd above_standard(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  UniqueFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) throw_errno("cannot duplicate a file descriptor");
  return moved;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// Only the end that stays here may be non-blocking; tools don't expect it of theirs.
Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  if (::fcntl(read.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("cannot change a pipe");
  return {above_standard(std::move(read)), above_standard(std::move(write))};
}

UniqueFd open_nothing() {
  UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno("cannot open '/dev/null'");
  return above_standard(std::move(fd));
}

// How a tool is started: with these descriptors, in a process group of its own, with no signal
// blocked or ignored.
class SpawnPlan {
 public:
  SpawnPlan() {
    check(posix_spawn_file_actions_init(&actions_), "cannot prepare a process");
    check(posix_spawnattr_init(&attributes_), "cannot prepare a process");
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void give(const UniqueFd& fd, int as) {
    check(posix_spawn_file_actions_adddup2(&actions_, fd.get(), as), "cannot prepare a process");
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// The running tool. Its process group is killed at the end of its life, however that comes.
class Child {
 public:
  Child(const std::vector<std::string>& argv, const SpawnPlan& plan);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int pidfd() const { return pidfd_.get(); }

  // Says how the tool ended. To be called when the pidfd says that it has.
  void finish(ToolOutput& output);

 private:
  void kill_group() const { ::kill(-pid_, SIGKILL); }
  bool reap(siginfo_t& ended);

  // From here on the destructor runs, even where the other constructor throws.
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  bool reaped_ = false;
  UniqueFd pidfd_;
};

// Where a folder in PATH cannot be read, spawnp says EACCES of a program that isn't installed at
// all.
std::string path_of(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  if (std::optional<std::string> path = find_program(name)) return *path;
  throw Error(ErrorKind::Failed, fmt::format("'{}' is not in PATH", name),
              "is it installed, and its folder in PATH?");
}

pid_t start(const std::vector<std::string>& argv, const SpawnPlan& plan) {
  const std::string path = path_of(argv[0]);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  check(
      posix_spawn(&pid, path.c_str(), plan.actions(), plan.attributes(), arguments.data(), environ),
      fmt::format("cannot start '{}'", path));
  return pid;
}

Child::Child(const std::vector<std::string>& argv, const SpawnPlan& plan)
    : Child(start(argv, plan)) {
  // Until it is reaped the pid is the tool's, so this cannot open somebody else's.
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) throw_errno(fmt::format("cannot watch '{}'", argv[0]));
}

Child::~Child() {
  if (reaped_) return;
  kill_group();
  pollfd ended{pidfd_.get(), POLLIN, 0};
  ::poll(&ended, 1, kKillWaitMs);
  siginfo_t info{};
  reap(info);
}

bool Child::reap(siginfo_t& ended) {
  return ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG) == 0 &&
         ended.si_pid == pid_;
}

void Child::finish(ToolOutput& output) {
  // Before reaping: as long as there is a zombie, the number of its group belongs to nobody else.
  kill_group();
  siginfo_t ended{};
  reaped_ = true;
  if (!reap(ended)) throw Error(ErrorKind::Failed, "cannot tell how a GPU tool ended");
  output.was_killed = ended.si_code != CLD_EXITED;
  output.exit_status = output.was_killed ? 128 + ended.si_status : ended.si_status;
}

// Moves what is in the pipe now into `text`, and closes the pipe at its end.
void drain(UniqueFd& pipe, std::string& text, const std::string& tool) {
  std::array<char, 65536> buffer;
  while (pipe) {
    const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
      if (text.size() <= kOutputBytesMax) continue;
      throw Error(ErrorKind::Failed, fmt::format("{} printed more than 16 MiB", tool),
                  fmt::format("is the '{}' in PATH the real one?", tool));
    }
    if (count == 0) {
      pipe.reset();
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      throw_errno(fmt::format("cannot read what {} prints", tool));
    }
  }
}

// Where SIGCHLD is ignored, as some programs leave it to those they start, the kernel reaps
// children itself and keeps no exit status. It is not, for as long as a tool runs.
class KeptExitStatus {
 public:
  KeptExitStatus() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &action, &old_);
  }
  ~KeptExitStatus() { ::sigaction(SIGCHLD, &old_, nullptr); }
  KeptExitStatus(const KeptExitStatus&) = delete;
  KeptExitStatus& operator=(const KeptExitStatus&) = delete;

 private:
  struct sigaction old_ {};
};

Error too_late(const std::string& tool, Duration timeout, const std::string& hint) {
  return Error(ErrorKind::Failed,
               fmt::format("{} did not answer within {}", tool, to_short_text(timeout)), hint);
}

}  // namespace

ToolOutput run_tool(const std::vector<std::string>& argv, Duration timeout,
                    SteadyClock::time_point started, const std::string& when_late) {
  const std::string tool = base_name(argv.at(0));
  if (SteadyClock::now() - started >= timeout) throw too_late(tool, timeout, when_late);
  const KeptExitStatus kept;
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  SpawnPlan plan;
  const UniqueFd nothing = open_nothing();
  plan.give(nothing, STDIN_FILENO);
  plan.give(out.write, STDOUT_FILENO);
  plan.give(err.write, STDERR_FILENO);
  Child child(argv, plan);
  out.write.reset();
  err.write.reset();

  ToolOutput output;
  while (true) {
    const auto left = timeout - (SteadyClock::now() - started);
    if (left <= Duration::zero()) throw too_late(tool, timeout, when_late);
    const std::vector<bool> ready =
        wait_ready({out.read.get(), err.read.get(), child.pidfd()}, left);
    drain(out.read, output.out, tool);
    drain(err.read, output.err, tool);
    // Asked before the pipes were emptied: what it wrote before its end has been read now. Others
    // may still hold the pipes open; nobody waits for them.
    if (ready[2]) {
      child.finish(output);
      return output;
    }
  }
}

}  // namespace chg
