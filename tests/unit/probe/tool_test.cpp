#include "probe/tool.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "support/child.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixture.h"
#include "unit/probe/system.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

class RunTool : public ::testing::Test {
 protected:
  ToolOutput run(const std::string& body, std::chrono::nanoseconds deadline = kAmple) {
    return run_tool({folder_.write_script("tool", body)}, deadline);
  }

  // The Error of a run that must fail.
  Error failure_of(const std::vector<std::string>& argv, std::chrono::nanoseconds deadline) {
    try {
      run_tool(argv, deadline);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorKind::Failed, "");
  }

  // A pipe with a name on which a script can wait for as long as nobody opens it.
  std::string make_fifo() {
    const std::string path = folder_.path("fifo");
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }

  // Shell text that leaves the shell's pid in a file, which then is there whole.
  std::string note(const std::string& name) {
    const std::string path = folder_.path(name);
    return "echo $$ > " + path + ".new; mv " + path + ".new " + path;
  }

  // The Error of a tool that notes "pid" and hangs. A deadline that is over before the note is
  // made, as on a busy host, is too short to test with.
  Error failure_of_hanging(const std::string& body) {
    const std::string script = folder_.write_script("tool", body);
    for (const milliseconds deadline : {milliseconds(200), milliseconds(2000)}) {
      const Error error = failure_of({script}, deadline);
      EXPECT_EQ(error.what(), "tool did not answer within " + to_short_text(deadline));
      if (std::filesystem::exists(folder_.path("pid"))) return error;
    }
    return failure_of({script}, seconds(20));
  }

  int pid_in(const std::string& name) { return std::stoi(read_text(folder_.path(name))); }

  TemporaryFolder folder_;
};

TEST_F(RunTool, GivesBothOutputsApart) {
  const ToolOutput output = run("echo out; echo err >&2; echo more");
  EXPECT_EQ(output.out, "out\nmore\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_FALSE(output.was_killed);
}

TEST_F(RunTool, GivesTheExitStatusWithTheOutput) {
  const ToolOutput output = run("echo 'No devices were found'; exit 6");
  EXPECT_EQ(output.out, "No devices were found\n");
  EXPECT_EQ(output.exit_status, 6);
}

TEST_F(RunTool, TellsTheSignalThatEndedTheTool) {
  const ToolOutput output = run("echo begun; kill -KILL $$");
  EXPECT_EQ(output.out, "begun\n");
  EXPECT_EQ(output.exit_status, 128 + SIGKILL);
  EXPECT_TRUE(output.was_killed);
  EXPECT_FALSE(run("exit 255").was_killed);
}

TEST_F(RunTool, PassesArgumentsUnchanged) {
  const std::string script = folder_.write_script("tool", "printf '%s|' \"$@\"");
  EXPECT_EQ(run_tool({script, "a b", "", "$HOME", "c\nd"}, kAmple).out, "a b||$HOME|c\nd|");
}

TEST_F(RunTool, FindsTheProgramInPath) { EXPECT_EQ(run_tool({"echo", "x"}, kAmple).out, "x\n"); }

TEST_F(RunTool, GivesAnEmptyStdin) { EXPECT_EQ(run("cat; echo end").out, "end\n"); }

TEST_F(RunTool, WaitsForASlowTool) {
  const std::string fifo = make_fifo();
  const std::string script = folder_.write_script("tool", "echo early; cat " + fifo);
  // Opening it waits until the script has come to reading it.
  std::thread answer([&] { std::ofstream(fifo) << "late\n"; });
  const ToolOutput output = run_tool({script}, kAmple);
  answer.join();
  EXPECT_EQ(output.out, "early\nlate\n");
}

TEST_F(RunTool, GivesLargeOutputWhole) {
  const ToolOutput output = run("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2");
  EXPECT_EQ(output.out.size(), 3'000'000U);
  EXPECT_EQ(output.err.size(), 2'000'000U);
}

TEST_F(RunTool, RefusesEndlessOutput) {
  const std::string script =
      folder_.write_script("tool", "echo $$ > " + folder_.path("pid") + "; exec cat /dev/zero");
  const Error error = failure_of({script}, kAmple);
  EXPECT_STREQ(error.what(), "tool printed more than 16 MiB");
  EXPECT_TRUE(has_ended(pid_in("pid")));
}

TEST_F(RunTool, KillsAToolThatIsLateWithItsWholeGroup) {
  const Error error =
      failure_of_hanging("cat " + make_fifo() + " & echo $! > " + folder_.path("child") +
                         "; trap '' TERM INT HUP; " + note("pid") + "; wait");
  EXPECT_NE(error.hint().find("dmesg"), std::string::npos);
  EXPECT_TRUE(has_ended(pid_in("pid")));
  EXPECT_TRUE(has_ended(pid_in("child")));
}

TEST_F(RunTool, LeavesNoZombieOfALateTool) {
  failure_of_hanging(note("pid") + "; exec cat " + make_fifo());
  EXPECT_EQ(::waitpid(pid_in("pid"), nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(RunTool, DoesNotWaitForAChildThatHoldsTheOutputOpen) {
  const std::string script =
      folder_.write_script("tool", "cat " + make_fifo() + " & echo $! > " + folder_.path("child") +
                                       "; echo answer; exit 3");
  const ToolOutput output = run_tool({script}, kAmple);
  EXPECT_EQ(output.out, "answer\n");
  EXPECT_EQ(output.exit_status, 3);
  EXPECT_TRUE(has_ended(pid_in("child")));
}

TEST_F(RunTool, DoesNotWaitForADaemonThatLeftTheGroup) {
  const std::string fifo = make_fifo();
  const ToolOutput output = run("setsid cat " + fifo + " & echo answer", std::chrono::hours(1));
  EXPECT_EQ(output.out, "answer\n");
  const int end =
      ::open(fifo.c_str(), O_RDWR | O_NONBLOCK);  // wakes cat, should it have come so far
  EXPECT_GE(end, 0);
  ::close(end);
}

TEST_F(RunTool, WaitsForAToolThatClosedItsOutput) {
  EXPECT_EQ(run("exec >&- 2>&-; exec sh -c 'exit 7'").exit_status, 7);
}

TEST_F(RunTool, DoesNotStartWhatIsLateAlready) {
  const std::string script = folder_.write_script("tool", "touch " + folder_.path("started"));
  const Error none = failure_of({script}, seconds(0));
  EXPECT_STREQ(none.what(), "tool did not answer within 0s");
  EXPECT_THROW(run_tool({script}, seconds(10), SteadyClock::now() - seconds(10)), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_.path("started")));
}

TEST_F(RunTool, CountsTheDeadlineFromTheGivenStart) {
  const std::string script = folder_.write_script("tool", "exec cat " + make_fifo());
  const std::chrono::hours deadline(1);
  try {
    run_tool({script}, deadline, SteadyClock::now() - deadline + milliseconds(200));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "tool did not answer within 1h");
  }
}

TEST_F(RunTool, RefusesAProgramThatIsNotThere) {
  const Error error = failure_of({"no-such-gpu-tool"}, kAmple);
  EXPECT_STREQ(error.what(), "'no-such-gpu-tool' is not in PATH");
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_EQ(error.hint(), "Is it installed, and its folder in PATH?");
  const std::string path = folder_.path("missing");
  EXPECT_EQ(failure_of({path}, kAmple).what(),
            "cannot start '" + path + "': No such file or directory");
}

TEST_F(RunTool, RefusesAFileThatMayNotBeExecuted) {
  const Error error = failure_of({folder_.write("tool", "#!/bin/sh\n")}, kAmple);
  EXPECT_EQ(error.kind(), ErrorKind::NotPermitted);
}

TEST_F(RunTool, StartsTheToolWithoutBlockedOrIgnoredSignals) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  const ToolOutput output = run_tool({"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"}, kAmple);
  std::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  unsigned long blocked = 0;
  unsigned long ignored = 0;
  ASSERT_EQ(std::sscanf(output.out.c_str(), "SigBlk: %lx SigIgn: %lx", &blocked, &ignored), 2);
  EXPECT_EQ(blocked, 0U);
  EXPECT_EQ(ignored & 0x7fffffff, 0U);  // above are those of the C library itself
}

TEST_F(RunTool, GivesTheToolAProcessGroupOfItsOwn) {
  const ToolOutput output = run("cut -d' ' -f5 /proc/$$/stat; echo $$");
  const std::string group = output.out.substr(0, output.out.find('\n'));
  EXPECT_EQ(output.out, group + "\n" + group + "\n");
}

TEST_F(RunTool, GivesTheToolNoDescriptorsOfItsOwn) {
  // Besides 0, 1 and 2: what this program passes on anyway, and what ls itself opens.
  std::ptrdiff_t expected = 4;
  for (int fd = 3; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ++expected;
  }
  const std::string listed = run("exec ls /proc/self/fd").out;
  EXPECT_EQ(std::count(listed.begin(), listed.end(), '\n'), expected) << listed;
}

TEST_F(RunTool, LeavesNoDescriptorOpen) {
  const std::string hanging = folder_.write_script("hanging", "exec cat " + make_fifo());
  const std::size_t before = open_fds();
  run("echo x");
  failure_of({hanging}, milliseconds(50));
  failure_of({"no-such-gpu-tool"}, kAmple);
  EXPECT_EQ(open_fds(), before);
}

TEST_F(RunTool, WorksWithoutStandardDescriptors) {
  const std::string script = folder_.write_script("tool", "echo out; echo err >&2; cat");
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    const ToolOutput output = run_tool({script}, kAmple);
    ::_exit(output.out == "out\n" && output.err == "err\n" ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(RunTool, KnowsTheExitStatusThoughSigchldIsIgnored) {
  const auto handler = std::signal(SIGCHLD, SIG_IGN);
  const ToolOutput output = run("exit 3");
  EXPECT_EQ(output.exit_status, 3);
  EXPECT_EQ(std::signal(SIGCHLD, handler), SIG_IGN);
}

TEST_F(RunTool, IsNotEndedBySignalsThatHaveAHandler) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  const ToolOutput output = run("kill -USR1 $PPID; kill -USR1 $PPID; echo done");
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(output.out, "done\n");
}

}  // namespace
}  // namespace chg
