#include "probe/processes/proc_reader.h"

#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

// A process that copies its stdin to its stdout, and so lives until this object ends.
class WaitingProcess {
 public:
  WaitingProcess(const std::string& program, std::vector<std::string> argv,
                 std::vector<std::string> environment) {
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    EXPECT_EQ(::pipe2(in, O_CLOEXEC) + ::pipe2(out, O_CLOEXEC), 0);
    const UniqueFd theirs[] = {UniqueFd(in[0]), UniqueFd(out[1])};
    const UniqueFd answer(out[0]);
    write_.reset(in[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers(argv).data(),
                          pointers(environment).data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    // Once it answers it is fully there; right after exec, /proc shows neither arguments nor
    // environment yet.
    char byte = '!';
    EXPECT_EQ(::write(write_.get(), &byte, 1), 1);
    EXPECT_EQ(::read(answer.get(), &byte, 1), 1);
  }
  ~WaitingProcess() {
    if (pid_ > 0) reap();
  }
  WaitingProcess(const WaitingProcess&) = delete;
  WaitingProcess& operator=(const WaitingProcess&) = delete;

  int pid() const { return pid_; }

  // Makes it end, and leaves the zombie.
  void end() {
    write_.reset();
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void reap() {
    write_.reset();
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  }

  pid_t pid_ = -1;
  UniqueFd write_;
};

GpuProcess facts_of(int pid, ProcReader reader = ProcReader()) {
  GpuProcess process;
  process.pid = pid;
  reader.fill(process);
  return process;
}

TEST(ProcReader, TellsTheAncestorsOfARealProcess) {
  GpuProcess process;
  process.pid = ::getpid();
  ProcReader().fill(process);
  ASSERT_FALSE(process.ancestors.empty());
  EXPECT_EQ(process.ancestors.front().pid, ::getppid());
  EXPECT_LE(process.ancestors.front().start_ticks, *process.start_ticks);
}

TEST(ProcReader, TellsTheFactsOfARealProcess) {
  WaitingProcess cat("/bin/cat", {"/bin/cat", "-", "--", "-"},
                     {"HOME=/", "CANHAZGPU_RESERVATION=r-17", "LANG=C"});
  const GpuProcess process = facts_of(cat.pid());
  EXPECT_EQ(process.program, "cat");
  EXPECT_EQ(process.command_line, "/bin/cat - -- -");
  EXPECT_EQ(process.uid, ::getuid());
  EXPECT_EQ(process.reservation_id, "r-17");
  EXPECT_GT(process.start_ticks.value_or(0), 0U);
}

TEST(ProcReader, TellsThatAProcessHasNoReservation) {
  WaitingProcess cat("/bin/cat", {"cat"},
                     {"XCANHAZGPU_RESERVATION=no", "CANHAZGPU_RESERVATIONS=no"});
  EXPECT_EQ(facts_of(cat.pid()).reservation_id, "");
  WaitingProcess bare("/bin/cat", {"cat"}, {});
  EXPECT_EQ(facts_of(bare.pid()).reservation_id, "");
}

TEST(ProcReader, TakesTheFirstReservationAsGetenvDoes) {
  WaitingProcess cat("/bin/cat", {"cat"}, {"CANHAZGPU_RESERVATION=a", "CANHAZGPU_RESERVATION=b"});
  EXPECT_EQ(facts_of(cat.pid()).reservation_id, "a");
}

TEST(ProcReader, ReadsStartTicksBehindAnyProgramName) {
  const TemporaryFolder folder;
  for (const char* name : {"a) (b", "x) S 1 1 1", "(", ")", "a b\nc"}) {
    std::filesystem::copy_file("/bin/cat", folder.path(name));
    WaitingProcess odd(folder.path(name), {""}, {"A=1"});
    const GpuProcess process = facts_of(odd.pid());
    // The program says nothing of itself, so this is the kernel's name for it.
    EXPECT_EQ(process.program, name);
    const std::uint64_t own = facts_of(::getpid()).start_ticks.value_or(0);
    EXPECT_GE(process.start_ticks.value_or(0), own);
    EXPECT_TRUE(ProcReader().is_running(odd.pid()));
  }
}

TEST(ProcReader, GivesEachProcessItsOwnStart) {
  EXPECT_EQ(facts_of(::getpid()).start_ticks, facts_of(::getpid()).start_ticks);
  EXPECT_NE(facts_of(::getpid()).start_ticks, facts_of(1).start_ticks);
}

TEST(ProcReader, TellsOnlyTheNameOfAZombie) {
  WaitingProcess cat("/bin/cat", {"/bin/cat"}, {"CANHAZGPU_RESERVATION=r-17"});
  EXPECT_TRUE(ProcReader().is_running(cat.pid()));
  cat.end();
  EXPECT_FALSE(ProcReader().is_running(cat.pid()));
  const GpuProcess process = facts_of(cat.pid());
  EXPECT_EQ(process.program, "cat");
  EXPECT_EQ(process.command_line, "");
  EXPECT_EQ(process.reservation_id, std::nullopt);
}

TEST(ProcReader, TellsNothingOfAProcessThatIsGone) {
  WaitingProcess cat("/bin/cat", {"/bin/cat"}, {"A=1"});
  const int pid = cat.pid();
  cat.reap();
  EXPECT_FALSE(ProcReader().is_running(pid));
  GpuProcess expected;
  expected.pid = pid;
  EXPECT_EQ(facts_of(pid), expected);
}

TEST(ProcReader, KeepsWhatIsKnownOfAProcessThatProcDoesNotShow) {
  GpuProcess process;
  process.pid = 2'000'000'000;
  process.program = "python3";
  process.memory_mib = 5;
  const GpuProcess before = process;
  ProcReader().fill(process);
  EXPECT_EQ(process, before);
}

TEST(ProcReader, DoesNotTellTheReservationOfAnotherAccount) {
  if (::getuid() != 0) {
    EXPECT_EQ(facts_of(1).reservation_id, std::nullopt);
    return;
  }
  WaitingProcess cat("/bin/cat", {"/bin/cat"}, {"CANHAZGPU_RESERVATION=r-17"});
  const pid_t reader = ::fork();
  if (reader == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    const GpuProcess process = facts_of(cat.pid());
    ::_exit(process.uid == 0 && process.program == "cat" && !process.reservation_id ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(reader, &status, 0), reader);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ProcReader, TellsNoReservationOfAnEnvironmentThatWasWrittenOver) {
  int ready[2] = {-1, -1};
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // As programs do that set their title in place of argv and the environment.
    for (char** variable = environ; *variable != nullptr; ++variable) {
      std::memset(*variable, 0, std::strlen(*variable));
    }
    if (::write(ready[1], "!", 1) != 1) ::_exit(1);
    ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(facts_of(child).reservation_id, std::nullopt);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace chg
