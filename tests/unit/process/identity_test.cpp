// Rule 11: who a process is, whether it lives, and how to reach that very process.
#include "process/identity.h"

#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/process_stat.h"
#include "support/child.h"
#include "support/expect_error.h"

namespace chg {
namespace {

ProcessIdentity known(int pid) {
  const auto identity = identity_of(pid);
  EXPECT_TRUE(identity) << pid;
  return identity.value_or(ProcessIdentity{});
}

// A child whose first thread has ended, while another goes on.
int end_first_thread(const Whistle& ended) {
  std::thread([&ended] {
    const int leader = getpid();
    while (read_stat(leader)->state != 'Z') std::this_thread::yield();
    ended.blow();
    idle();
  }).detach();
  ::syscall(SYS_exit, 0);
  return 0;
}

TEST(Identity, NamesThisProcess) {
  const ProcessIdentity self = self_identity();
  EXPECT_EQ(self.pid, getpid());
  EXPECT_EQ(self.boot_id, boot_id());
  EXPECT_NE(self.host, "");
  EXPECT_NE(self.pid_namespace, 0U);
  EXPECT_GT(self.start_ticks, 0U);
  EXPECT_EQ(identity_of(getpid()), self);
}

TEST(Identity, IsAnotherAfterAFork) {
  const ProcessIdentity self = self_identity();
  EXPECT_EQ(
      run_in_child([&] { return std::string(self_identity().pid == self.pid ? "same" : "other"); }),
      "other");
}

TEST(Identity, IsMissingWhereThereIsNoProcess) {
  Child child([] { return 0; });
  const int pid = child.pid();
  child.wait();
  EXPECT_EQ(identity_of(pid), std::nullopt);
  EXPECT_EQ(identity_of(1 << 30), std::nullopt);
}

TEST(Liveness, OfThisProcessIsAlive) { EXPECT_EQ(liveness(self_identity()), Liveness::Alive); }

TEST(Liveness, OfAnIdleProcessIsAlive) {
  const Child child(idle);
  EXPECT_EQ(liveness(known(child.pid())), Liveness::Alive);
}

TEST(Liveness, OfAZombieIsGone) {
  const Child child([] { return 0; });
  const ProcessIdentity identity = known(child.pid());
  child.become_zombie();
  EXPECT_EQ(read_stat(child.pid())->state, 'Z');
  EXPECT_EQ(liveness(identity), Liveness::Gone);
}

TEST(Liveness, OfAKilledProcessIsGone) {
  Child child(idle);
  const ProcessIdentity identity = known(child.pid());
  child.send(SIGKILL);
  child.wait();
  EXPECT_EQ(liveness(identity), Liveness::Gone);
}

TEST(Liveness, OfAStoppedProcessIsStopped) {
  const Child child(idle);
  const ProcessIdentity identity = known(child.pid());
  child.stop();
  EXPECT_EQ(liveness(identity), Liveness::Stopped);
  child.send(SIGCONT);
  int status = 0;
  ASSERT_EQ(::waitpid(child.pid(), &status, WCONTINUED), child.pid());
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

TEST(Liveness, OfAProcessWhoseFirstThreadHasEndedIsAlive) {
  const Whistle ended;
  const Child child([&] { return end_first_thread(ended); });
  const ProcessIdentity identity = known(child.pid());
  ASSERT_TRUE(ended.read_report());
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

TEST(Liveness, OfAnotherProcessWithTheSamePidIsGone) {
  ProcessIdentity reused = self_identity();
  ++reused.start_ticks;
  EXPECT_EQ(liveness(reused), Liveness::Gone);
}

TEST(Liveness, OfAnotherBootOfThisHostIsForTheClocksToTell) {
  ProcessIdentity earlier = self_identity();
  earlier.boot_id = "00000000-0000-0000-0000-000000000000";
  ++earlier.start_ticks;
  EXPECT_EQ(liveness(earlier), Liveness::OtherBoot);
  ++earlier.pid_namespace;
  EXPECT_EQ(liveness(earlier), Liveness::OtherBoot);
}

// A container may have a boot id of its own.
TEST(Liveness, OfAProcessThatLivesUnderAnotherBootIdIsAlive) {
  ProcessIdentity self = self_identity();
  self.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(liveness(self), Liveness::Alive);
}

TEST(Liveness, OfAnotherHostIsUnseen) {
  ProcessIdentity far = self_identity();
  far.boot_id = "00000000-0000-0000-0000-000000000000";
  far.host += "-other";
  EXPECT_EQ(liveness(far), Liveness::Unseen);
}

// A container has a host name of its own, and the boot of its host.
TEST(Liveness, DoesNotGoByTheHostNameWithinOneBoot) {
  ProcessIdentity renamed = self_identity();
  renamed.host += "-renamed";
  EXPECT_EQ(liveness(renamed), Liveness::Alive);
}

TEST(Liveness, OfAnotherPidNamespaceIsUnseen) {
  ProcessIdentity contained = self_identity();
  ++contained.pid_namespace;
  EXPECT_EQ(liveness(contained), Liveness::Unseen);
}

TEST(Liveness, OfAProcessInAContainerIsUnseenFromOutside) {
  const Whistle said;
  const Child outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) {
      said.blow('-');
      return 1;
    }
    const Child inner([&] {
      const ProcessIdentity place = own_place();
      return ::write(said.writing_end(), &place.pid_namespace, sizeof place.pid_namespace) > 0
                 ? idle()
                 : 1;
    });
    return idle();
  });
  std::uint64_t inside = 0;
  ASSERT_TRUE(becomes_ready(said.reading_end()));
  if (::read(said.reading_end(), &inside, sizeof inside) != sizeof inside) {
    GTEST_SKIP() << "may not make a pid namespace here";
  }
  ProcessIdentity contained = self_identity();
  EXPECT_NE(inside, contained.pid_namespace);
  contained.pid_namespace = inside;
  contained.pid = 1;
  EXPECT_EQ(liveness(contained), Liveness::Unseen);
}

TEST(BlindSpot, IsNoneInTheNamespacesOfThisProcess) {
  EXPECT_EQ(blind_spot(), "");
  ProcessIdentity place = self_identity();
  place.pid = 0;
  place.start_ticks = 0;
  EXPECT_EQ(own_place(), place);
}

TEST(ReadStat, KnowsParentAndSession) {
  const Whistle ready;
  const Child child([&] {
    ::setsid();
    ready.blow();
    return idle();
  });
  ASSERT_TRUE(ready.read_report());
  const auto stat = read_stat(child.pid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, child.pid());
  EXPECT_EQ(stat->parent, getpid());
  EXPECT_EQ(stat->session, child.pid());
}

TEST(ReadStat, IsNotFooledByAProcessName) {
  const Whistle ready;
  const Child child([&] {
    ::prctl(PR_SET_NAME, ") R 1 1 (");
    ready.blow();
    return idle();
  });
  ASSERT_TRUE(ready.read_report());
  EXPECT_EQ(read_stat(child.pid())->parent, getpid());
}

TEST(Watch, BecomesReadyWhenTheProcessEnds) {
  const Child child(idle);
  const UniqueFd watched = watch(known(child.pid()));
  ASSERT_TRUE(watched);
  EXPECT_FALSE(is_ready(watched.get()));
  child.send(SIGKILL);
  EXPECT_TRUE(becomes_ready(watched.get()));
}

TEST(Watch, IsNotReadyForAStoppedProcess) {
  const Child child(idle);
  const UniqueFd watched = watch(known(child.pid()));
  child.stop();
  EXPECT_FALSE(is_ready(watched.get()));
}

TEST(Watch, IsEmptyForOneThatIsGone) {
  const Child child([] { return 0; });
  const ProcessIdentity identity = known(child.pid());
  child.become_zombie();
  EXPECT_FALSE(watch(identity));
}

TEST(Watch, IsEmptyForAnotherProcessWithTheSamePid) {
  const Child child(idle);
  ProcessIdentity reused = known(child.pid());
  --reused.start_ticks;
  EXPECT_FALSE(watch(reused));
}

TEST(Watch, IsEmptyForWhatCannotBeSeen) {
  ProcessIdentity contained = self_identity();
  ++contained.pid_namespace;
  EXPECT_FALSE(watch(contained));
}

TEST(Watch, OfOtherPeoplesProcessesIsAllowed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child child(idle);
  const ProcessIdentity identity = known(child.pid());
  EXPECT_EQ(run_in_child([&] { return std::string(watch(identity) ? "watched" : "not"); }, kNobody),
            "watched");
}

TEST(SendSignal, ReachesItsProcess) {
  Child child(idle);
  EXPECT_TRUE(send_signal(known(child.pid()), SIGTERM));
  const int status = child.wait();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(SendSignal, ReachesNoOtherProcessWithTheSamePid) {
  const Child child(idle);
  const ProcessIdentity identity = known(child.pid());
  ProcessIdentity reused = identity;
  --reused.start_ticks;
  EXPECT_FALSE(send_signal(reused, SIGKILL));
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

TEST(SendSignal, SaysWhenTheProcessIsGone) {
  const Child child([] { return 0; });
  const ProcessIdentity identity = known(child.pid());
  child.become_zombie();
  EXPECT_FALSE(send_signal(identity, SIGTERM));
}

TEST(SendSignal, IsRefusedForOtherPeoplesProcesses) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Child child(idle);
  const ProcessIdentity identity = known(child.pid());
  const std::string said = run_in_child(
      [&] {
        send_signal(identity, SIGKILL);
        return std::string("sent");
      },
      kNobody);
  EXPECT_TRUE(said.starts_with("error 77: cannot signal process")) << said;
  EXPECT_EQ(liveness(identity), Liveness::Alive);
}

}  // namespace
}  // namespace chg
