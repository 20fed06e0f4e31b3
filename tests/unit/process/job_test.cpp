// Rule 8 and 9: the processes of a job, and how they are ended.
#include "process/job.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>

#include "base/process_stat.h"
#include "process/identity.h"
#include "process/job_end.h"
#include "support/child.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

// Nobody waits for so long: a job that is not ended before hangs.
constexpr std::chrono::hours kLongGrace(1);

/// A pid that crosses a fork.
class PidPipe {
 public:
  void tell(int pid) const {
    EXPECT_EQ(::write(whistle_.writing_end(), &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  }
  int read_report() const {
    int pid = -1;
    if (!becomes_ready(whistle_.reading_end())) {
      ADD_FAILURE() << "no pid";
      return pid;
    }
    EXPECT_EQ(::read(whistle_.reading_end(), &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
    return pid;
  }

 private:
  Whistle whistle_;
};

/// Kills a process that is no child of this one when the test ends.
class Doomed {
 public:
  explicit Doomed(int pid) : pid_(pid), identity_(identity_of(pid)) {}
  ~Doomed() {
    if (identity_) send_signal(*identity_, SIGKILL);
  }
  Doomed(const Doomed&) = delete;
  Doomed& operator=(const Doomed&) = delete;

  int pid() const { return pid_; }
  ProcessIdentity identity() const { return identity_.value_or(ProcessIdentity{}); }

 private:
  int pid_;
  std::optional<ProcessIdentity> identity_;
};

/// Becomes a process that idles with this environment.
int idle_with(const std::vector<std::string>& environment) {
  return become_program({{"/bin/sleep", "1000"}, environment});
}

/// Waits until the child is /bin/sleep: until exec has closed its end of a pipe.
class ExecWatch {
 public:
  ExecWatch() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  void wait() {
    write_.reset();
    EXPECT_TRUE(becomes_ready(read_.get()));
  }

 private:
  UniqueFd read_;
  UniqueFd write_;
};

Child idle_child_with(const std::vector<std::string>& environment) {
  ExecWatch exec;
  Child child([&] { return idle_with(environment); });
  exec.wait();
  return child;
}

/// A process of a session of its own, whose parent has ended: it is of this job by its environment
/// alone.
int start_wanderer(const std::vector<std::string>& environment, const std::string& marked_as = "") {
  const PidPipe born;
  ExecWatch exec;
  Child middle([&] {
    ::setsid();
    if (!marked_as.empty()) mark_as_job(marked_as);
    const int pid = ::fork();
    if (pid == 0) {
      ::setsid();
      born.tell(::getpid());
      ::_exit(idle_with(environment));
    }
    return 0;
  });
  const int pid = born.read_report();
  exec.wait();
  middle.wait();
  return pid;
}

// Nobody else's: tests run beside each other, and a job has its processes wherever they are.
const std::string kMyId = "of" + std::to_string(::getpid());

std::string variable(const std::string& id) { return std::string(kReservationVariable) + "=" + id; }

JobMarks job(const std::string& id, const ProcessIdentity& command,
             const std::optional<ProcessIdentity>& supervisor = {},
             const std::optional<PidMark>& before_it = {}) {
  return {id, command, supervisor, before_it, ::getuid()};
}

bool is_member(int pid, const std::string& id, const ProcessIdentity& command) {
  const auto members = job_members(job(id, command));
  return std::any_of(members.begin(), members.end(),
                     [&](const ProcessIdentity& member) { return member.pid == pid; });
}

ProcessIdentity known(const Child& child) {
  return identity_of(child.pid()).value_or(ProcessIdentity{});
}

TEST(JobMembers, IncludeTheCommand) {
  const Child command(idle);
  const auto members = job_members(job("id", known(command)));
  EXPECT_EQ(members, std::vector{known(command)});
}

TEST(JobMembers, IncludeChildrenAndGrandchildren) {
  const PidPipe grandchild;
  const Child command([&] {
    const Child child([&] {
      const Child last([&] {
        grandchild.tell(::getpid());
        return idle();
      });
      return idle();
    });
    return idle();
  });
  const int pid = grandchild.read_report();
  EXPECT_TRUE(is_member(pid, "id", known(command)));
  EXPECT_EQ(job_members(job("id", known(command))).size(), 3U);
}

TEST(JobMembers, IncludeWhoCarriesTheIdWhereverHeHasWandered) {
  const Child command(idle);
  const Doomed wanderer(start_wanderer({"A=b", variable(kMyId), "Z=z"}));
  EXPECT_TRUE(is_member(wanderer.pid(), kMyId, known(command)));
}

TEST(JobMembers, IncludeTheChildrenOfWhoCarriesTheId) {
  const Child command(idle);
  const PidPipe born;
  ExecWatch exec;
  const Child carrier([&] {
    const Program shell{{"/bin/sh", "-c", "env -i /bin/sleep 1000 & wait"}, {variable(kMyId)}};
    return become_program(shell);
  });
  exec.wait();
  // The shell's child is there when somebody's parent is the shell.
  const auto child_of = [](int parent) {
    for (const auto& member : job_members(job("none", *identity_of(parent)))) {
      if (member.pid != parent) return member.pid;
    }
    return 0;
  };
  int child = 0;
  while ((child = child_of(carrier.pid())) == 0) std::this_thread::yield();
  EXPECT_TRUE(is_member(child, kMyId, known(command)));
  ::kill(child, SIGKILL);
}

TEST(JobMembers, IncludeTheSessionThatTheCommandLeads) {
  const PidPipe orphan;
  const Whistle parent_ended;
  const Child command([&] {
    ::setsid();
    Child middle([&] {
      const int pid = ::fork();
      if (pid == 0) {
        idle();
      }
      orphan.tell(pid);
      return 0;
    });
    middle.wait();
    parent_ended.blow();
    return idle();
  });
  const Doomed left(orphan.read_report());
  ASSERT_TRUE(parent_ended.read_report());
  EXPECT_TRUE(is_member(left.pid(), "id", known(command)));
}

TEST(JobMembers, IncludeWhatOutlivesTheCommand) {
  Child command(idle);
  const ProcessIdentity identity = known(command);
  const Doomed wanderer(start_wanderer({variable(kMyId)}));
  command.send(SIGKILL);
  command.wait();
  EXPECT_EQ(job_members(job(kMyId, identity)), std::vector{wanderer.identity()});
}

TEST(JobMembers, LeaveOutWhoCarriesAnotherIdOrOnlyOneLikeIt) {
  const Child command(idle);
  for (const std::string& other :
       {variable("other"), variable(kMyId + "2"), variable(kMyId.substr(1)), "X" + variable(kMyId),
        "A=" + variable(kMyId), variable(kMyId) + " "}) {
    const Child unrelated = idle_child_with({other});
    EXPECT_FALSE(is_member(unrelated.pid(), kMyId, known(command))) << other;
  }
}

TEST(JobMembers, LeaveOutSiblingsAndTheParent) {
  const Child command(idle);
  const Child sibling(idle);
  EXPECT_FALSE(is_member(sibling.pid(), "id", known(command)));
  EXPECT_FALSE(is_member(::getpid(), "id", known(command)));
}

TEST(JobMembers, LeaveOutWhatIsOlderThanTheCommand) {
  const Child old = idle_child_with({variable(kMyId)});
  ProcessIdentity command = known(old);
  command.pid = 1 << 30;
  EXPECT_TRUE(is_member(old.pid(), kMyId, command));
  ++command.start_ticks;
  EXPECT_FALSE(is_member(old.pid(), kMyId, command));
}

TEST(JobMembers, LeaveOutWhatIsOlderThanTheSupervisor) {
  const Child command(idle);
  const Child wanderer = idle_child_with({variable(kMyId)});
  ProcessIdentity supervisor = known(wanderer);
  const std::vector<ProcessIdentity> both{known(command), known(wanderer)};
  EXPECT_EQ(job_members(job(kMyId, known(command), supervisor)), both);
  ++supervisor.start_ticks;
  EXPECT_EQ(job_members(job(kMyId, known(command), supervisor)), std::vector{known(command)});
  supervisor.boot_id = "of another boot";
  EXPECT_EQ(job_members(job(kMyId, known(command), supervisor)), both);
}

TEST(JobMembers, IncludeWhatBeganAfterTheMark) {
  const Child command(idle);
  const auto mark = mark_pids();
  const Child young = idle_child_with({variable(kMyId)});
  EXPECT_EQ(job_members(job(kMyId, known(command), {}, mark)),
            (std::vector{known(command), known(young)}));
}

TEST(JobMembers, LeaveOutWhatBeganBeforeTheMark) {
  const Child command(idle);
  const Child old = idle_child_with({variable(kMyId)});
  const auto mark = mark_pids();
  if (!mark) GTEST_SKIP() << "this kernel does not tell which pids it gives";
  // Nothing begins in between that could make the row begin anew.
  EXPECT_EQ(job_members(job(kMyId, known(command), {}, mark)), std::vector{known(command)});
}

// A job may become another account's, whose environment is not this one's to read.
TEST(JobMembers, IncludeDescendantsOfAnotherAccount) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Whistle asked;
  const PidPipe born;
  const Child command([&] {
    if (!asked.read_report()) return 1;
    const Child child([&] {
      born.tell(::getpid());
      return idle();
    });
    return idle();
  });
  const auto ask = [&] {
    asked.blow();
    return std::string(is_member(born.read_report(), "id", known(command)) ? "in" : "out");
  };
  EXPECT_EQ(run_in_child(ask, kNobody), "in");
}

TEST(JobMembers, IncludeCarriersOfTheAccountThatAsksAndNoOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Whistle asked;
  const Child roots([&] { return asked.read_report() ? idle_with({variable(kMyId)}) : 1; });
  const auto ask = [&] {
    const Child command(idle);
    const Doomed own(start_wanderer({variable(kMyId)}));
    asked.blow();
    while (read_stat(roots.pid())->name != "sleep") std::this_thread::yield();
    const bool has_own = is_member(own.pid(), kMyId, known(command));
    const bool has_roots = is_member(roots.pid(), kMyId, known(command));
    return std::string(has_own && !has_roots ? "own" : "wrong");
  };
  EXPECT_EQ(run_in_child(ask, kNobody), "own");
}

// Anybody may put an id into an environment of his own.
TEST(JobMembers, LeaveOutCarriersOfAnotherAccount) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child command(idle);
  ExecWatch exec;
  const Child stranger([&] {
    if (::setresuid(kNobody, kNobody, kNobody) != 0) return 1;
    return idle_with({variable(kMyId)});
  });
  exec.wait();
  EXPECT_EQ(job_members(job(kMyId, known(command))), std::vector{known(command)});
}

JobMarks hearsay(const std::string& id, const ProcessIdentity& command) {
  JobMarks marks = job(id, command);
  marks.is_hearsay = true;
  return marks;
}

TEST(JobMembers, LeaveOutACommandByHearsayThatProvesNothing) {
  const PidPipe born;
  const Child stranger([&] {
    ::setsid();
    const Child child([&] {
      born.tell(::getpid());
      return idle();
    });
    return idle();
  });
  born.read_report();
  EXPECT_TRUE(job_members(hearsay(kMyId, known(stranger))).empty());
}

TEST(JobMembers, IncludeACommandByHearsayThatCarriesTheIdWithItsChildren) {
  ExecWatch exec;
  const Child command([&] {
    const Program shell{{"/bin/sh", "-c", "env -i /bin/sleep 1000 & wait"}, {variable(kMyId)}};
    return become_program(shell);
  });
  exec.wait();
  std::vector<ProcessIdentity> members;
  while ((members = job_members(hearsay(kMyId, known(command)))).size() < 2) {
    std::this_thread::yield();
  }
  EXPECT_EQ(members.front(), known(command));
  send_signal(members.back(), SIGKILL);
}

TEST(JobMembers, LeaveOutACommandByHearsayOfAnotherAccount) {
  const Child command = idle_child_with({variable(kMyId)});
  JobMarks marks = hearsay(kMyId, known(command));
  ++marks.uid;
  EXPECT_TRUE(job_members(marks).empty());
}

TEST(SignalAll, ReachesWithTheRightsOfAnAccountOnlyWhatThatMaySignal) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Whistle changed;
  const Child roots(idle);
  Child nobodys([&] {
    const bool is_other = ::setresuid(kNobody, kNobody, kNobody) == 0;
    changed.blow();
    return is_other ? idle() : 1;
  });
  ASSERT_TRUE(changed.read_report());
  EXPECT_TRUE(signal_all({known(roots), known(nobodys)}, SIGKILL, kNobody));
  EXPECT_EQ(WTERMSIG(nobodys.wait()), SIGKILL);
  EXPECT_FALSE(signal_all({known(roots)}, SIGKILL, kNobody));
  // The uid that calls of the kernel take for "as it is".
  EXPECT_FALSE(signal_all({known(roots)}, SIGKILL, static_cast<std::uint32_t>(-1)));
  EXPECT_EQ(liveness(known(roots)), Liveness::Alive);
}

TEST(JobMembers, LeaveOutTheProcessThatAsks) {
  EXPECT_EQ(run_in_child([] {
              return std::string(is_member(::getpid(), "id", self_identity()) ? "in" : "out");
            }),
            "out");
}

TEST(JobMembers, LeaveOutZombies) {
  const Child command([] { return 0; });
  const ProcessIdentity identity = known(command);
  command.become_zombie();
  EXPECT_TRUE(job_members(job("id", identity)).empty());
}

// A pid is never enough: the command's may belong to a stranger by now, with a session of his own.
TEST(JobMembers, LeaveOutTheSessionOfAStrangerWithTheCommandsPid) {
  const PidPipe born;
  const Child stranger([&] {
    ::setsid();
    const Child child([&] {
      born.tell(::getpid());
      return idle();
    });
    return idle();
  });
  born.read_report();
  ProcessIdentity command = known(stranger);
  --command.start_ticks;
  EXPECT_TRUE(job_members(job("id", command)).empty());
}

// Its first thread is shown as a zombie, and the process lives.
TEST(JobMembers, IncludeACommandWhoseFirstThreadHasEnded) {
  const Whistle ended;
  const Child command([&] {
    std::thread([&] {
      const int leader = ::getpid();
      while (read_stat(leader)->state != 'Z') std::this_thread::yield();
      ended.blow();
      idle();
    }).detach();
    ::syscall(SYS_exit, 0);
    return 0;
  });
  const ProcessIdentity identity = known(command);
  ASSERT_TRUE(ended.read_report());
  EXPECT_TRUE(is_member(command.pid(), "id", identity));
}

TEST(JobMembers, HaveItsMarkWhateverElseTheyHaveLost) {
  const Child command(idle);
  const Doomed marked(start_wanderer({}, kMyId));
  const Doomed other(start_wanderer({}, "other"));
  const Doomed plain(start_wanderer({}));
  EXPECT_TRUE(is_member(marked.pid(), kMyId, known(command)));
  EXPECT_FALSE(is_member(other.pid(), kMyId, known(command)));
  EXPECT_FALSE(is_member(plain.pid(), kMyId, known(command)));
}

// The id of a reservation is no secret: whoever marks himself with it is of no other's job.
TEST(JobMembers, AreNoProcessesOfOtherAccountsForTheirMark) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child command(idle);
  const Doomed roots(start_wanderer({}, kMyId));
  JobMarks of_nobody = job(kMyId, known(command));
  of_nobody.uid = kNobody;
  const auto members = job_members(of_nobody);
  EXPECT_EQ(std::count(members.begin(), members.end(), roots.identity()), 1) << "root's is";
  const PidPipe born;
  Child middle([&] {
    mark_as_job(kMyId);
    static_cast<void>(::setresuid(kNobody, kNobody, kNobody));
    const Child away([&] {
      ::setsid();
      born.tell(::getpid());
      return idle();
    });
    ::_exit(0);
    return 0;
  });
  const Doomed away(born.read_report());
  middle.wait();
  EXPECT_FALSE(is_member(away.pid(), kMyId, known(command)));
}

// end_job

void nothing() {}

void ignore_both() {
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
}

// A command that tells when it is set up to ignore what asks it to end.
Child stubborn_child() {
  const Whistle ready;
  Child child([&] {
    ignore_both();
    ready.blow();
    return idle();
  });
  EXPECT_TRUE(ready.read_report());
  return child;
}

TEST(EndJob, ReturnsAsSoonAsTheJobObeys) {
  Child command(idle);
  end_job(job("id", known(command)), {kLongGrace}, nothing);
  const int status = command.wait();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST(EndJob, KillsWhatIgnoresItAfterTheGrace) {
  Child command = stubborn_child();
  const auto begin = SteadyClock::now();
  end_job(job("id", known(command)), {milliseconds(300)}, nothing);
  EXPECT_GE(SteadyClock::now() - begin, milliseconds(300));
  EXPECT_EQ(WTERMSIG(command.wait()), SIGKILL);
}

TEST(EndJob, KillsAtOnceWithoutGrace) {
  Child command = stubborn_child();
  end_job(job("id", known(command)), {Duration::zero()}, nothing);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGKILL);
}

TEST(EndJob, TerminatesAtOnceWhatIgnoresTheFirstSignal) {
  const Whistle ready;
  Child command([&] {
    ::signal(SIGINT, SIG_IGN);
    ready.blow();
    return idle();
  });
  ASSERT_TRUE(ready.read_report());
  end_job(job("id", known(command)), {kLongGrace}, nothing);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGTERM);
}

TEST(EndJob, TerminatesAfterAPartOfTheGraceWhatOnlyCatchesTheFirstSignal) {
  const Whistle ready;
  Child command([&] {
    ::signal(SIGINT, [](int) {});
    ready.blow();
    idle();
    return idle();
  });
  ASSERT_TRUE(ready.read_report());
  end_job(job("id", known(command)), {milliseconds(300)}, nothing);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGTERM);
}

TEST(EndJob, BeginsWithTheSignalOfThePlan) {
  for (const int number : {SIGTERM, SIGUSR1, SIGKILL}) {
    Child command(idle);
    end_job(job("id", known(command)), {kLongGrace, number}, nothing);
    EXPECT_EQ(WTERMSIG(command.wait()), number);
  }
}

TEST(EndJob, TellsItsStepsBeforeItDoesThem) {
  Child command = stubborn_child();
  std::vector<std::pair<EndStep::What, int>> told;
  EndPlan plan{milliseconds(300)};
  plan.tell = [&](const EndStep& step) {
    EXPECT_EQ(step.processes, std::vector{known(command)});
    EXPECT_EQ(liveness(known(command)), Liveness::Alive);
    told.emplace_back(step.what, step.signal);
  };
  end_job(job("id", known(command)), plan, nothing);
  EXPECT_EQ(told, (std::vector{std::pair{EndStep::What::AskedDeaf, SIGTERM},
                               std::pair{EndStep::What::Killed, SIGKILL}}));
  command.wait();
}

TEST(EndJob, TellsWhatItMayNotSignal) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child roots(idle);
  const ProcessIdentity identity = known(roots);
  EXPECT_EQ(run_in_child(
                [&] {
                  std::string told;
                  EndPlan plan{milliseconds(1)};
                  plan.tell = [&](const EndStep& step) {
                    const bool is_it = step.what == EndStep::What::OutOfReach &&
                                       step.processes == std::vector{identity};
                    told += is_it ? "out of reach" : "?";
                  };
                  end_job(job("id", identity), plan, nothing);
                  return told;
                },
                kNobody),
            "out of reach");
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

TEST(EndJob, WakesAStoppedJobSoThatItCanObey) {
  Child command(idle);
  command.stop();
  end_job(job("id", known(command)), {kLongGrace}, nothing);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGINT);
}

TEST(EndJob, KillsAStoppedJobThatIgnoresIt) {
  Child command = stubborn_child();
  command.stop();
  end_job(job("id", known(command)), {milliseconds(100)}, nothing);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGKILL);
}

TEST(EndJob, EndsDescendantsThatIgnoreIt) {
  const PidPipe grandchild;
  Child command([&] {
    const Child child([&] {
      ignore_both();
      const Child last([&] {
        grandchild.tell(::getpid());
        return idle();
      });
      return idle();
    });
    return idle();
  });
  const Doomed last(grandchild.read_report());
  end_job(job("id", known(command)), {milliseconds(300)}, nothing);
  EXPECT_EQ(liveness(last.identity()), Liveness::Gone);
  EXPECT_EQ(WTERMSIG(command.wait()), SIGINT);
}

TEST(EndJob, EndsWhatHasWanderedOff) {
  Child command(idle);
  const Doomed wanderer(start_wanderer({variable(kMyId)}));
  end_job(job(kMyId, known(command)), {kLongGrace}, nothing);
  EXPECT_EQ(liveness(wanderer.identity()), Liveness::Gone);
}

TEST(EndJob, LeavesOthersAlone) {
  Child command(idle);
  const Child sibling(idle);
  const Child other = idle_child_with({variable("other")});
  end_job(job(kMyId, known(command)), {Duration::zero()}, nothing);
  EXPECT_EQ(liveness(known(sibling)), Liveness::Alive);
  EXPECT_EQ(liveness(known(other)), Liveness::Alive);
}

TEST(EndJob, ReturnsAtOnceWhenNothingIsLeft) {
  const Child command([] { return 0; });
  const ProcessIdentity identity = known(command);
  command.become_zombie();
  bool called = false;
  end_job(job("id", identity), {kLongGrace}, [&] { called = true; });
  EXPECT_FALSE(called);
}

// A second SIGINT often means "now". It looks anew whenever one of the job ends: here first an
// obedient child, and then one that is told to.
TEST(EndJob, InterruptsNobodyTwice) {
  static int writing_end = -1;
  const Whistle interrupted;
  const Whistle ready;
  const Whistle may_end;
  writing_end = interrupted.writing_end();
  Child command([&] {
    const Child obedient(idle);
    const Whistle is_deaf;
    const Child deaf([&] {
      ignore_both();
      is_deaf.blow();
      return may_end.read_report() ? 0 : 1;
    });
    struct sigaction action {};
    action.sa_handler = [](int) { static_cast<void>(!::write(writing_end, "!", 1)); };
    sigaction(SIGINT, &action, nullptr);
    if (is_deaf.read_report()) ready.blow();
    return idle();
  });
  ASSERT_TRUE(ready.read_report());
  int looks = 0;
  end_job(job("id", known(command)), {kLongGrace}, [&] {
    if (++looks == 1) may_end.blow();
    if (looks == 2) command.send(SIGKILL);
  });
  EXPECT_EQ(WTERMSIG(command.wait()), SIGKILL);
  EXPECT_TRUE(interrupted.read_report());
  EXPECT_FALSE(interrupted.was_blown());
}

// What is started while the job ends is of the job too. Here the command starts another when it is
// interrupted, and a child of it ends after that.
TEST(EndJob, InterruptsWhatIsStartedMeanwhile) {
  static int command_pid = 0;
  static int writing_end = -1;
  static volatile std::sig_atomic_t told = 0;
  const Whistle ready;
  const Whistle late_interrupted;
  writing_end = late_interrupted.writing_end();
  Child command([&] {
    command_pid = ::getpid();
    const Whistle late_is_there;
    const Child first([&] {
      ignore_both();
      return late_is_there.read_report() ? 0 : 1;
    });
    sigset_t interrupt;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, nullptr);
    struct sigaction action {};
    action.sa_handler = [](int) {
      told = 1;
      if (::getpid() == command_pid) return;
      static_cast<void>(!::write(writing_end, "!", 1));
      ::_exit(0);
    };
    sigaction(SIGINT, &action, nullptr);
    ready.blow();
    while (told == 0) ::sigsuspend(&none);
    sigprocmask(SIG_UNBLOCK, &interrupt, nullptr);
    Child late(idle);
    late_is_there.blow();
    return late.wait();
  });
  ASSERT_TRUE(ready.read_report());
  end_job(job("id", known(command)), {kLongGrace}, nothing);
  EXPECT_TRUE(late_interrupted.was_blown());
  EXPECT_EQ(command.wait(), 0);
}

TEST(SignalAll, TellsWhetherAnybodyWasReached) {
  Child gone([] { return 0; });
  const ProcessIdentity identity = known(gone);
  gone.wait();
  EXPECT_FALSE(signal_all({}, SIGTERM));
  EXPECT_FALSE(signal_all({identity}, SIGTERM));
  Child alive(idle);
  EXPECT_TRUE(signal_all({identity, known(alive)}, SIGTERM));
  EXPECT_EQ(WTERMSIG(alive.wait()), SIGTERM);
}

TEST(SignalAll, PassesOverOtherPeoplesProcesses) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child roots(idle);
  const ProcessIdentity identity = known(roots);
  EXPECT_EQ(run_in_child(
                [&] {
                  Child own(idle);
                  const bool reached = signal_all({identity, known(own)}, SIGTERM);
                  const bool ended = WTERMSIG(own.wait()) == SIGTERM;
                  return std::string(reached && ended ? "reached" : "not reached");
                },
                kNobody),
            "reached");
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

TEST(WaitForAnEnd, ReturnsWhenOneEnds) {
  const Child first(idle);
  const Child second(idle);
  std::thread killer([&] { second.send(SIGKILL); });
  wait_for_an_end({known(first), known(second)}, kLongGrace);
  killer.join();
}

TEST(WaitForAnEnd, ReturnsAtOnceForOneThatHasEnded) {
  const Child alive(idle);
  const Child ended([] { return 0; });
  const ProcessIdentity identity = known(ended);
  ended.become_zombie();
  wait_for_an_end({known(alive), identity}, kLongGrace);
}

TEST(WaitForAnEnd, ReturnsWhenTheTimeIsOver) {
  const Child alive(idle);
  const auto begin = SteadyClock::now();
  wait_for_an_end({known(alive)}, milliseconds(50));
  EXPECT_GE(SteadyClock::now() - begin, milliseconds(50));
  EXPECT_EQ(liveness(known(alive)), Liveness::Alive);
}

}  // namespace
}  // namespace chg
