#include "probe/isolation.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unique_fd.h"
#include "support/child.h"

namespace chg {
namespace {

using Reason = LookFailure::Reason;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Far more than any of this needs; a test that waits for it has failed.
constexpr seconds kAmple(30);

bool has_children() { return ::waitpid(-1, nullptr, __WALL | WNOHANG) >= 0 || errno != ECHILD; }

void wait_for_ever() {
  while (true) ::pause();
}

TEST(Notes, HoldWhatIsAddedUpToTheirSize) {
  Notes notes;
  EXPECT_EQ(notes.text(), "");
  EXPECT_TRUE(notes.add(std::string("a\0b", 3)));
  EXPECT_TRUE(notes.add(""));
  EXPECT_TRUE(notes.add("c"));
  EXPECT_EQ(notes.text(), std::string("a\0bc", 4));
  EXPECT_FALSE(notes.add(std::string(Notes::kBytesMax - 3, 'x')));
  EXPECT_EQ(notes.size(), 4U);
  EXPECT_TRUE(notes.add(std::string(Notes::kBytesMax - 4, 'x')));
  EXPECT_FALSE(notes.add("x"));
}

TEST(Isolation, GivesWhatWasWrittenDown) {
  const IsolatedEnd end =
      run_isolated("it", [](Notes& notes) { notes.add("one") && notes.add(" two"); }, {kAmple});
  EXPECT_EQ(end.notes, "one two");
  EXPECT_FALSE(end.failure);
  EXPECT_FALSE(has_children());
}

TEST(Isolation, GivesWhatWasWrittenDownBeforeACrash) {
  const IsolatedEnd end = run_isolated("it",
                                       [](Notes& notes) {
                                         notes.add("one");
                                         ::abort();
                                       },
                                       {kAmple});
  EXPECT_EQ(end.notes, "one");
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->reason, Reason::Crashed);
  EXPECT_STREQ(end.failure->error.what(), "it crashed (signal 6)");
}

TEST(Isolation, LetsNoExceptionOut) {
  const IsolatedEnd end = run_isolated("it", [](Notes&) { throw 1; }, {kAmple});
  ASSERT_TRUE(end.failure);
  EXPECT_STREQ(end.failure->error.what(), "it ended without an answer (exit status 1)");
}

TEST(Isolation, GivesWhatWasWrittenDownBeforeTheDeadline) {
  // A deadline that is over before the note is made, as on a busy host, is too short to test with.
  for (const milliseconds deadline : {milliseconds(100), milliseconds(2000), milliseconds(20000)}) {
    const IsolatedEnd end = run_isolated("it",
                                         [](Notes& notes) {
                                           notes.add("one");
                                           wait_for_ever();
                                         },
                                         {deadline});
    ASSERT_TRUE(end.failure);
    EXPECT_EQ(end.failure->reason, Reason::Late);
    EXPECT_FALSE(has_children());
    if (end.notes == "one") return;
  }
  ADD_FAILURE() << "nothing was ever written down";
}

TEST(Isolation, HasNoPatienceWithWorkThatWaits) {
  const IsolatedEnd end =
      run_isolated("it", [](Notes&) { wait_for_ever(); }, {kAmple, milliseconds(20)});
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->reason, Reason::Late);
  EXPECT_FALSE(has_children());
}

TEST(Isolation, HasPatienceWithWorkThatRuns) {
  const auto work = [](Notes& notes) {
    const auto until = std::chrono::steady_clock::now() + milliseconds(200);
    while (std::chrono::steady_clock::now() < until) {
    }
    notes.add("done");
  };
  const IsolatedEnd end = run_isolated("it", work, {kAmple, milliseconds(20)});
  EXPECT_EQ(end.notes, "done");
  EXPECT_FALSE(end.failure);
}

TEST(Isolation, EndsWhatTheWorkHasLeft) {
  const IsolatedEnd end = run_isolated("it",
                                       [](Notes& notes) {
                                         const pid_t pid = ::fork();
                                         if (pid == 0) wait_for_ever();
                                         notes.add(std::to_string(pid));
                                       },
                                       {kAmple});
  ASSERT_FALSE(end.failure);
  const UniqueFd left(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(end.notes), 0)));
  EXPECT_TRUE(!left || becomes_ready(left.get()));
}

TEST(Isolation, WorksInsideOfItself) {
  const IsolatedEnd end = run_isolated(
      "outer",
      [](Notes& notes) {
        notes.add(run_isolated("inner", [](Notes& inner) { inner.add("deep"); }, {kAmple}).notes);
      },
      {kAmple});
  EXPECT_EQ(end.notes, "deep");
}

}  // namespace
}  // namespace chg
