#include "probe/isolated_probe.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "support/child.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixture.h"
#include "unit/probe/system.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Observation saying(std::string text) {
  Observation observation;
  observation.source = std::move(text);
  return observation;
}

ReadResult result_of(const std::function<ReadResult()>& look, Duration timeout = kAmple) {
  return read_isolated("NVML", look, timeout);
}

std::string text_of(const std::function<std::string()>& body) {
  ReadResult result = result_of([&] { return saying(body()); });
  return observation_or_throw(std::move(result)).source;
}

// The failure of a look that must fail.
ReadFailure failure_of(const std::function<ReadResult()>& look, Duration timeout = kAmple) {
  const ReadResult result = result_of(look, timeout);
  if (const auto* failure = std::get_if<ReadFailure>(&result)) return *failure;
  ADD_FAILURE() << "no failure";
  return {ReadFailure::Reason::Other, Error(ErrorKind::Failed, "")};
}

ReadResult hang() {
  while (true) ::pause();
}

bool has_children() { return ::waitpid(-1, nullptr, __WALL | WNOHANG) >= 0 || errno != ECHILD; }

// A look that notes its pid in a file and hangs.
class HangingLook : public ::testing::Test {
 protected:
  // Fails with `prepare` run first. A timeout that is over before the note is made, as on a busy
  // host, is too short to test with.
  void expect_late(const std::function<void()>& prepare) {
    for (const milliseconds timeout :
         {milliseconds(200), milliseconds(2000), milliseconds(20000)}) {
      const ReadFailure failure = failure_of(
          [&] {
            prepare();
            note();
            return hang();
          },
          timeout);
      EXPECT_EQ(failure.reason, ReadFailure::Reason::Late);
      EXPECT_EQ(failure.error.what(), "NVML did not answer within " + to_short_text(timeout));
      EXPECT_NE(failure.error.hint().find("dmesg"), std::string::npos);
      if (std::filesystem::exists(note_)) break;
    }
    EXPECT_TRUE(has_ended(std::stoi(read_text(note_))));
    EXPECT_FALSE(has_children());
  }

  void note() const {
    std::ofstream(note_ + ".new") << ::getpid();
    std::filesystem::rename(note_ + ".new", note_);
  }

  TemporaryFolder folder_;
  std::string note_ = folder_.path("pid");
};

TEST(ReadIsolated, GivesWhatTheLookGave) {
  EXPECT_EQ(text_of([] { return std::string("here"); }), "here");
}

TEST(ReadIsolated, GivesTheFailureThatTheLookGave) {
  const auto look = [] {
    return ReadFailure{ReadFailure::Reason::LibraryMismatch,
                       Error(ErrorKind::NotPermitted, "no", "Do it.")};
  };
  const ReadFailure failure = failure_of(look);
  EXPECT_EQ(failure.reason, ReadFailure::Reason::LibraryMismatch);
  EXPECT_EQ(failure.error.kind(), ErrorKind::NotPermitted);
  EXPECT_STREQ(failure.error.what(), "no");
  EXPECT_EQ(failure.error.hint(), "Do it.");
  expect_error(ErrorKind::NotPermitted, "no", [&] { observation_or_throw(result_of(look)); });
}

TEST(ReadIsolated, GivesWhatTheLookThrew) {
  const ReadFailure failure =
      failure_of([]() -> ReadResult { throw Error(ErrorKind::Unavailable, "no 'x'", "Wait."); });
  EXPECT_EQ(failure.reason, ReadFailure::Reason::Other);
  EXPECT_EQ(failure.error.kind(), ErrorKind::Unavailable);
  EXPECT_STREQ(failure.error.what(), "no 'x'");
  EXPECT_EQ(failure.error.hint(), "Wait.");
  EXPECT_STREQ(failure_of([]() -> ReadResult { throw std::runtime_error("broken"); }).error.what(),
               "broken");
}

TEST(ReadIsolated, GivesALargeAnswerWhole) {
  EXPECT_EQ(text_of([] { return std::string(3'000'000, 'x'); }), std::string(3'000'000, 'x'));
}

TEST(ReadIsolated, RefusesAnEndlessAnswer) {
  const ReadFailure failure = failure_of([] { return saying(std::string(17U << 20, 'x')); });
  EXPECT_EQ(failure.reason, ReadFailure::Reason::Other);
  EXPECT_STREQ(failure.error.what(), "NVML gave more than 16 MiB");
  EXPECT_FALSE(has_children());
}

// A made-up /proc with the processes 1 to 3.
class IsolatedFacts : public ::testing::Test {
 protected:
  IsolatedFacts() {
    for (const int pid : {1, 2, 3}) {
      folder_.write(fmt::format("{}/cmdline", pid), fmt::format("/bin/tool{}", pid));
      folder_.write(fmt::format("{}/environ", pid), "");
    }
  }

  // Who reads the environment hangs.
  void lock_memory(int pid) {
    const std::string file = folder_.path(fmt::format("{}/environ", pid));
    std::filesystem::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  }

  Observation read(
      bool has_proc, const std::function<void()>& meanwhile = [] {}) {
    const auto look = [meanwhile] {
      Observation seen = saying("here");
      for (const int pid : {1, 2, 3}) seen.gpus.emplace_back().processes.emplace_back().pid = pid;
      meanwhile();
      return seen;
    };
    const ProcReader proc(folder_.path(), folder_.path());
    return observation_or_throw(
        read_isolated("NVML", look, kAmple, has_proc ? std::optional(proc) : std::nullopt));
  }

  // The programs of the processes about which /proc was asked.
  static std::vector<std::string> programs(const Observation& observation) {
    std::vector<std::string> names;
    for (const GpuReading& gpu : observation.gpus) {
      for (const GpuProcess& process : gpu.processes) {
        if (process.asked_proc) names.push_back(process.program);
      }
    }
    return names;
  }

  TemporaryFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(IsolatedFacts, AreThoseOfTheListedProcesses) {
  EXPECT_EQ(programs(read(true)), (Names{"tool1", "tool2", "tool3"}));
}

TEST_F(IsolatedFacts, AreNoneWhereNobodyAsks) { EXPECT_EQ(programs(read(false)), Names()); }

TEST_F(IsolatedFacts, EndAtAProcessThatHangsAndHideNoLook) {
  lock_memory(2);
  const Observation observation = read(true);
  EXPECT_EQ(observation.source, "here");
  EXPECT_EQ(programs(observation), (Names{"tool1", ""}));
}

TEST_F(IsolatedFacts, DoNotHurryTheLook) {
  const Observation observation = read(true, [] { ::usleep(400'000); });
  EXPECT_EQ(observation.source, "here");
  EXPECT_EQ(programs(observation).size(), 3U);
}

TEST(ReadIsolated, TellsOfACrash) {
  for (const int number : {SIGSEGV, SIGABRT, SIGKILL}) {
    const ReadFailure failure = failure_of([&]() -> ReadResult {
      std::raise(number);
      return hang();
    });
    EXPECT_EQ(failure.reason, ReadFailure::Reason::Crashed);
    EXPECT_EQ(failure.error.what(), fmt::format("NVML crashed (signal {})", number));
    EXPECT_NE(failure.error.hint(), "");
  }
}

TEST(ReadIsolated, TellsOfAnEndWithoutAnswer) {
  const ReadFailure failure = failure_of([]() -> ReadResult { ::_exit(3); });
  EXPECT_EQ(failure.reason, ReadFailure::Reason::Crashed);
  EXPECT_STREQ(failure.error.what(), "NVML ended without an answer (exit status 3)");
  EXPECT_EQ(failure_of([]() -> ReadResult { ::_exit(0); }).reason, ReadFailure::Reason::Crashed);
}

TEST(ReadIsolated, TellsThatAnAnswerIsDamaged) {
  const ReadFailure failure = failure_of([]() -> ReadResult {
    // As a library that runs wild might do: the memory of the answer is the only that is shared.
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find(" rw-s ") == std::string::npos || line.find("/dev/zero") == std::string::npos) {
        continue;
      }
      std::uintptr_t begin = 0;
      EXPECT_EQ(std::sscanf(line.c_str(), "%lx", &begin), 1);
      std::memset(reinterpret_cast<void*>(begin), 0x55, 4096);
      ::_exit(0);
    }
    ::_exit(1);
  });
  EXPECT_EQ(failure.reason, ReadFailure::Reason::Crashed);
  EXPECT_STREQ(failure.error.what(), "NVML gave no answer: what it has written down is damaged");
}

TEST_F(HangingLook, IsKilledAtTheTimeout) {
  expect_late([] {});
}

TEST_F(HangingLook, IsKilledThoughItIgnoresSignals) {
  expect_late([] {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_IGN);
  });
}

TEST_F(HangingLook, IsKilledThoughItIsStopped) {
  expect_late([this] {
    note();
    ::raise(SIGSTOP);
  });
}

TEST_F(HangingLook, IsLateAtOnceWithoutTime) {
  EXPECT_EQ(failure_of(hang, seconds(0)).reason, ReadFailure::Reason::Late);
  EXPECT_FALSE(has_children());
}

TEST_F(HangingLook, EndsSoonThoughTheOneWhoWaitsForItIsKilled) {
  const std::string fifo = folder_.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd noted(::open(fifo.c_str(), O_RDWR));
  Child waiting([&] {
    result_of(
        [&] {
          const pid_t pid = ::getpid();
          const UniqueFd fd(::open(fifo.c_str(), O_WRONLY));
          EXPECT_EQ(::write(fd.get(), &pid, sizeof pid), 4);
          return hang();
        },
        seconds(1));
    return 0;
  });
  ASSERT_TRUE(becomes_ready(noted.get()));
  waiting.send(SIGKILL);
  pid_t pid = 0;
  ASSERT_EQ(::read(noted.get(), &pid, sizeof pid), 4);
  EXPECT_TRUE(has_ended(pid));
}

TEST(ReadIsolated, LooksInAnotherSession) {
  int changed = 0;
  const std::string said = text_of([&] {
    changed = 1;
    return std::to_string(::getsid(0));
  });
  EXPECT_EQ(changed, 0);
  EXPECT_NE(said, std::to_string(::getsid(0)));
}

TEST(ReadIsolated, LooksWithoutDescriptorsOfThisProcess) {
  const TemporaryFolder folder;
  const UniqueFd lock(::open(folder.path("lock").c_str(), O_RDWR | O_CREAT, 0600));
  const UniqueFd high(::fcntl(lock.get(), F_DUPFD, 900));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const std::string said = text_of([] {
    std::string listed;
    for (int fd = 0; fd < 1024; ++fd) {
      std::error_code none;
      const std::string path = fmt::format("/proc/self/fd/{}", fd);
      const std::string target = std::filesystem::read_symlink(path, none).string();
      if (!target.empty()) listed += target.substr(0, target.find(':')) + " ";
    }
    return listed;
  });
  EXPECT_EQ(said, "/dev/null /dev/null /dev/null ");
}

TEST(ReadIsolated, LooksWithDefaultSignals) {
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const std::string said = text_of([] { return read_text("/proc/self/status"); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::signal(SIGPIPE, handler);
  unsigned long blocked = 1;
  unsigned long ignored = 1;
  unsigned long handled = 1;
  ASSERT_EQ(std::sscanf(said.c_str() + std::min(said.find("SigBlk"), said.size()),
                        "SigBlk: %lx SigIgn: %lx SigCgt: %lx", &blocked, &ignored, &handled),
            3);
  EXPECT_EQ(blocked, 0U);
  EXPECT_EQ(ignored & 0x7fffffff, 0U);  // above are those of the C library itself
  EXPECT_EQ(handled & 0x7fffffff, 0U);
}

TEST(ReadIsolated, PrintsNothing) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const std::string written = text_of([] {
    return fmt::format("{} {}", ::write(STDOUT_FILENO, "out", 3), ::write(STDERR_FILENO, "err", 3));
  });
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(written, "3 3");
}

TEST(ReadIsolated, LeavesNeitherDescriptorNorZombie) {
  const std::size_t before = open_fds();
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(text_of([] { return "x"; }), "x");
    failure_of([]() -> ReadResult { ::abort(); });
    failure_of(hang, milliseconds(5));
  }
  EXPECT_EQ(open_fds(), before);
  EXPECT_FALSE(has_children());
}

TEST(ReadIsolated, WorksThoughSigchldIsIgnored) {
  const auto handler = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(text_of([] { return "x"; }), "x");
  EXPECT_STREQ(failure_of([]() -> ReadResult { ::abort(); }).error.what(),
               "NVML crashed (signal 6)");
  EXPECT_EQ(failure_of(hang, milliseconds(50)).reason, ReadFailure::Reason::Late);
  EXPECT_EQ(std::signal(SIGCHLD, handler), SIG_IGN);
}

TEST(ReadIsolated, NoSignalTellsOfItsEnd) {
  static volatile std::sig_atomic_t heard = 0;
  const auto handler = std::signal(SIGCHLD, [](int) { heard = 1; });
  EXPECT_EQ(text_of([] { return "x"; }), "x");
  EXPECT_EQ(failure_of(hang, milliseconds(5)).reason, ReadFailure::Reason::Late);
  EXPECT_EQ(heard, 0);
  EXPECT_EQ(Child([] { return 0; }).wait(), 0);
  EXPECT_EQ(heard, 1);
  std::signal(SIGCHLD, handler);
}

TEST(ReadIsolated, IsNotEndedBySignalsThatHaveAHandler) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  const pid_t self = ::getpid();
  EXPECT_EQ(text_of([&] { return std::to_string(::kill(self, SIGUSR1)); }), "0");
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(ReadIsolated, WorksWithoutStandardDescriptors) {
  Child child([] {
    for (const int fd : {0, 1, 2}) ::close(fd);
    return text_of([] { return "x"; }) == "x" ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
}

// Of an account that nobody else has, with room for `processes` of it.
std::string look_with_few_processes(rlim_t processes) {
  return run_in_child(
      [&] {
        const rlimit limit{processes, processes};
        if (::setrlimit(RLIMIT_NPROC, &limit) != 0) return std::string("cannot set the limit");
        const std::size_t before = open_fds();
        const ReadResult result = result_of([] { return saying("x"); });
        if (open_fds() != before) return std::string("a descriptor is left");
        if (has_children()) return std::string("a process is left");
        const auto* failure = std::get_if<ReadFailure>(&result);
        return failure != nullptr ? std::string(failure->error.what()) : std::string("no failure");
      },
      20'000 + ::getpid() % 40'000);
}

TEST(ReadIsolated, FailsWhereNoProcessCanBeStarted) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become an account of its own";
  const std::string expected = "cannot start a process for NVML: Resource temporarily unavailable";
  EXPECT_EQ(look_with_few_processes(1), expected);
#ifndef __SANITIZE_THREAD__  // which has a thread of its own
  EXPECT_EQ(look_with_few_processes(2), "no failure");
#endif
}

}  // namespace
}  // namespace chg
