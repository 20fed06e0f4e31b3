// Other processes for tests, and how to wait for what they do. Nothing here sleeps.
#pragma once

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unique_fd.h"

namespace chg {

/// Far longer than anything here takes; a test that waits for it has failed.
inline constexpr int kAmpleMs = 30'000;

/// Whether the descriptor becomes ready in time.
inline bool becomes_ready(int fd, int timeout_ms = kAmpleMs) {
  pollfd polled{fd, POLLIN, 0};
  while (true) {
    const int count = ::poll(&polled, 1, timeout_ms);
    if (count < 0 && errno == EINTR) continue;
    return count > 0;
  }
}

inline bool is_ready(int fd) { return becomes_ready(fd, 0); }

/// A pipe made before a fork, by which one process tells others that something has happened.
class Whistle {
 public:
  Whistle() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }

  void blow(char word = '!') const { EXPECT_EQ(::write(write_.get(), &word, 1), 1); }
  int writing_end() const { return write_.get(); }
  int reading_end() const { return read_.get(); }

  /// Waits for one blow. False when none comes in time.
  bool read_report() const {
    char word = 0;
    return becomes_ready(read_.get()) && ::read(read_.get(), &word, 1) == 1;
  }

  bool was_blown() const { return is_ready(read_.get()); }

 private:
  UniqueFd read_;
  UniqueFd write_;
};

/// A forked process of one test. It runs `body` and exits with what that returns; it is killed and
/// collected at the latest when the test ends.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    // A parent that is killed takes its children along, so that no test leaves anything behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 99;
    try {
      status = body();
    } catch (const std::exception&) {
    }
    ::_exit(status);
  }
  ~Child() {
    if (pid_ <= 0) return;
    send(SIGKILL);
    wait();
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int pid() const { return pid_; }
  void send(int signal_number) const { ::kill(pid_, signal_number); }

  void stop() const {
    send(SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
    EXPECT_TRUE(WIFSTOPPED(status));
  }

  /// Waits until it has ended, and leaves it a zombie.
  void become_zombie() const {
    siginfo_t information{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &information, WEXITED | WNOWAIT), 0);
  }

  /// Waits for its end and collects it. The status is that of waitpid.
  int wait() {
    int status = -1;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  int pid_;
};

/// A program run in a child: its arguments, and all of its environment.
struct Program {
  std::vector<std::string> arguments;
  std::vector<std::string> environment = {};
};

/// Becomes the program. Returns only when that fails.
inline int become_program(const Program& program) {
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> made;
    for (const std::string& text : texts) made.push_back(const_cast<char*>(text.c_str()));
    made.push_back(nullptr);
    return made;
  };
  ::execve(program.arguments.front().c_str(), pointers(program.arguments).data(),
           pointers(program.environment).data());
  return 98;
}

/// A body for a Child that does nothing for ever.
inline int idle() {
  while (true) ::pause();
}

/// Runs `body` in a process of its own, as another user if one is given, and returns what it
/// returns; an Error as "error KIND: MESSAGE", and "ended by signal N" for what did not get that
/// far.
inline std::string run_in_child(const std::function<std::string()>& body, int uid = -1) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  Child child([&] {
    std::string said;
    try {
      const auto id = static_cast<unsigned>(uid);
      if (uid >= 0 && (::setgroups(0, nullptr) != 0 || ::setgid(id) != 0 || ::setuid(id) != 0)) {
        said = "cannot change the user";
      } else {
        said = body();
      }
    } catch (const Error& error) {
      said = "error " + std::to_string(static_cast<int>(error.kind())) + ": " + error.what() +
             " | " + error.hint();
    } catch (const std::exception& error) {
      said = std::string("exception: ") + error.what();
    }
    return ::write(write_end.get(), said.data(), said.size()) < 0 ? 1 : 0;
  });
  write_end.reset();
  std::string said;
  std::array<char, 4096> buffer{};
  ssize_t size = 0;
  while ((size = ::read(read_end.get(), buffer.data(), buffer.size())) > 0) {
    said.append(buffer.data(), static_cast<std::size_t>(size));
  }
  const int status = child.wait();
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return said;
}

inline constexpr int kNobody = 65534;

}  // namespace chg
