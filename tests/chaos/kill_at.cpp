// Runs a program and kills one of its processes at a chosen step: as it enters its n-th system
// call, which then does not happen; or some machine instructions after the n-th has returned, for
// what is done in shared memory (the index of SQLite's log). What the world can see of a process
// are its system calls and that memory, so every step that there is can be walked.
//
//   kill_at --report FD [--generation G] [--at N [--then INSTRUCTIONS]] -- PROGRAM ARGUMENTS...
//
// Generation 0 is the program itself, until it becomes another by exec; 1 is its first child, 2 the
// first child of that one (the supervisor of `canhazgpu run`). This process becomes the program, so
// its pid and its exit status are the program's; the watching is done by a process beside it, which
// ends when its work is done and leaves all others to go on by themselves.
//
// FD gets one line for each system call, "N NAME", where NAME is "-" for those that nobody outside
// can see; and at last "killed N" or "through N".
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Wish {
  int report = -1;
  int generation = 0;
  long at = 0;  ///< 0: nobody is killed
  long then = 0;
  std::vector<char*> command;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "kill_at: %s: %s\n", what, std::strerror(errno));
  _exit(125);
}

// What changes something for others: files, locks, pipes, sockets, processes.
const char* visible_name(const __ptrace_syscall_info& info) {
  static const std::map<std::uint64_t, const char*> kNames = {
      {SYS_write, "write"},
      {SYS_writev, "writev"},
      {SYS_pwrite64, "pwrite64"},
      {SYS_sendto, "sendto"},
      {SYS_sendmsg, "sendmsg"},
      {SYS_connect, "connect"},
      {SYS_recvfrom, "recvfrom"},
      {SYS_flock, "flock"},
      {SYS_fcntl, "fcntl"},
      {SYS_ftruncate, "ftruncate"},
      {SYS_fdatasync, "fdatasync"},
      {SYS_fsync, "fsync"},
      {SYS_rename, "rename"},
      {SYS_unlink, "unlink"},
      {SYS_link, "link"},
      {SYS_linkat, "linkat"},
      {SYS_mkdir, "mkdir"},
      {SYS_mknod, "mknod"},
      {SYS_mknodat, "mknodat"},
      {SYS_chmod, "chmod"},
      {SYS_fchmod, "fchmod"},
      {SYS_fchown, "fchown"},
      {SYS_close_range, "close_range"},
      {SYS_dup2, "dup2"},
      {SYS_clone, "clone"},
      {SYS_execve, "execve"},
      {SYS_setsid, "setsid"},
      {SYS_poll, "poll"},
      {SYS_wait4, "wait4"},
      {SYS_signalfd4, "signalfd4"},
      {SYS_rt_sigprocmask, "rt_sigprocmask"},
      {SYS_pidfd_open, "pidfd_open"},
      {SYS_pidfd_send_signal, "pidfd_send_signal"},
      {SYS_exit_group, "exit_group"},
  };
  if (info.entry.nr == SYS_openat && (info.entry.args[2] & (O_CREAT | O_WRONLY | O_RDWR)) != 0) {
    return "openat";
  }
  const auto found = kNames.find(info.entry.nr);
  return found == kNames.end() ? "-" : found->second;
}

class Watcher {
 public:
  Watcher(const Wish& wish, pid_t program) : wish_(wish), program_(program) {
    constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                              PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    if (ptrace(PTRACE_SEIZE, program, nullptr, kOptions) != 0) fail("cannot watch the program");
    generations_[program] = 0;
  }

  void work() {
    while (!is_done_) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0) return;
      if (WIFSTOPPED(status)) {
        stopped(pid, status);
      } else if (pid == target_ || pid == program_) {
        // Without the program there is nobody who could still make the one that is awaited.
        if (pid == target_ || target_ == 0) through();
      }
    }
  }

 private:
  void stopped(pid_t pid, int status) {
    const int event = status >> 16;
    const int signal = WSTOPSIG(status);
    if (generations_.count(pid) == 0) {
      // A child that is seen before its parent has told of it.
      early_.insert_or_assign(pid, true);
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
               event == PTRACE_EVENT_CLONE) {
      unsigned long child = 0;
      ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child);
      generations_[static_cast<pid_t>(child)] = generations_[pid] + 1;
      if (early_.erase(static_cast<pid_t>(child)) > 0) begin(static_cast<pid_t>(child));
      go_on(pid, 0);
    } else if (event == PTRACE_EVENT_EXEC) {
      executed(pid);
    } else if (event == PTRACE_EVENT_STOP) {
      const bool is_born = signal == SIGTRAP && pid != program_ && pid != target_;
      if (is_born) {
        begin(pid);
      } else if (signal == SIGTRAP) {
        go_on(pid, 0);
      } else {
        ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);  // stopped by a signal, as anybody may be
      }
    } else if (signal == (SIGTRAP | 0x80)) {
      called(pid);
    } else if (signal == SIGTRAP && pid == target_ && steps_left_ > 0) {
      stepped(pid);
    } else {
      go_on(pid, signal);
    }
  }

  // A process of the program that has just been made.
  void begin(pid_t pid) {
    if (generations_[pid] > wish_.generation) {
      ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
      return;
    }
    if (generations_[pid] == wish_.generation && target_ == 0) target_ = pid;
    go_on(pid, 0);
  }

  void executed(pid_t pid) {
    if (pid == target_) {
      // Not left to the end of this process, which would not end the going by steps.
      ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
      return through();
    }
    if (pid == program_ && wish_.generation == 0) target_ = pid;  // it is the program from now on
    go_on(pid, 0);
  }

  void called(pid_t pid) {
    __ptrace_syscall_info info{};
    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      ++calls_;
      say(std::to_string(calls_) + " " + visible_name(info));
      if (calls_ == wish_.at && wish_.then == 0) return end(pid);
    } else if (calls_ == wish_.at) {
      steps_left_ = wish_.then;
    }
    go_on(pid, 0);
  }

  // An instruction is done. It may have been a call that waits for another process, so all others
  // are watched as ever meanwhile.
  void stepped(pid_t pid) {
    if (--steps_left_ == 0) return end(pid);
    go_on(pid, 0);
  }

  void end(pid_t pid) {
    kill(pid, SIGKILL);
    // Until it is dead, so that whoever reads the report finds it so.
    for (int status = 0; waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);) {
    }
    say("killed " + std::to_string(calls_));
    is_done_ = true;
  }

  void through() {
    say("through " + std::to_string(calls_));
    is_done_ = true;
  }

  void go_on(pid_t pid, int signal) {
    const auto by_steps = steps_left_ > 0 ? PTRACE_SINGLESTEP : PTRACE_SYSCALL;
    ptrace(pid == target_ ? by_steps : PTRACE_CONT, pid, nullptr, static_cast<long>(signal));
  }

  void say(const std::string& line) const {
    const std::string text = line + "\n";
    const ssize_t written = write(wish_.report, text.data(), text.size());
    static_cast<void>(written);  // who does not listen any more has given up
  }

  const Wish& wish_;
  pid_t program_;
  pid_t target_ = 0;  ///< whose calls are counted; 0: not there yet
  long calls_ = 0;
  long steps_left_ = 0;  ///< instructions until it is killed; 0: it goes from call to call
  bool is_done_ = false;
  std::map<pid_t, int> generations_;
  std::map<pid_t, bool> early_;
};

Wish parse(int argc, char** argv) {
  Wish wish;
  int i = 1;
  for (; i + 1 < argc && std::strcmp(argv[i], "--") != 0; i += 2) {
    const std::string name = argv[i];
    const long value = std::atol(argv[i + 1]);
    if (name == "--report") {
      wish.report = static_cast<int>(value);
    } else if (name == "--generation") {
      wish.generation = static_cast<int>(value);
    } else if (name == "--at") {
      wish.at = value;
    } else if (name == "--then") {
      wish.then = value;
    } else {
      std::fprintf(stderr, "kill_at: unknown option %s\n", argv[i]);
      _exit(125);
    }
  }
  for (++i; i < argc; ++i) wish.command.push_back(argv[i]);
  wish.command.push_back(nullptr);
  return wish;
}

// Nobody's child, and in no session of the program's, so that it is no part of a job.
[[noreturn]] void live_beside(const Wish& wish, pid_t program, int ready) {
  if (setsid() < 0 || fork() != 0) _exit(0);
  Watcher watcher(wish, program);
  if (write(ready, "", 1) != 1) fail("cannot tell the program");
  close(ready);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(fd);
  signal(SIGPIPE, SIG_IGN);
  watcher.work();
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const Wish wish = parse(argc, argv);
  if (wish.report < 0 || wish.command.size() < 2) {
    std::fprintf(stderr,
                 "usage: kill_at --report FD [--generation G] [--at N [--then STEPS]] -- "
                 "PROGRAM ARGUMENTS...\n");
    return 125;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe");
  fcntl(wish.report, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  const pid_t self = getpid();
  const pid_t middle = fork();
  if (middle < 0) fail("cannot fork");
  if (middle == 0) {
    close(ends[0]);
    live_beside(wish, self, ends[1]);
  }
  close(ends[1]);
  waitpid(middle, nullptr, 0);
  char byte = 0;
  if (read(ends[0], &byte, 1) != 1) return 125;  // the watcher has said why
  execv(wish.command[0], wish.command.data());
  fail("cannot run the program");
}
