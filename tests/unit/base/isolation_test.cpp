#include "base/isolation.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unique_fd.h"
#include "support/child.h"

namespace chg {
namespace {

using Reason = IsolatedFailure::Reason;
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

TEST(Isolation, PrintsErrorsWhereItIsTold) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  IsolatedTime time{kAmple};
  time.its_stderr = writing.get();
  const IsolatedEnd end = run_isolated(
      "it",
      [&](Notes& notes) {
        const bool is_said = ::write(STDERR_FILENO, "told", 4) == 4;
        // The descriptor itself is closed.
        const bool is_closed = ::fcntl(time.its_stderr, F_GETFD) < 0;
        if (is_said && is_closed) notes.add("so it is");
      },
      time);
  writing.reset();
  EXPECT_EQ(end.notes, "so it is");
  std::array<char, 8> text{};
  EXPECT_EQ(::read(reading.get(), text.data(), text.size()), 4);
  EXPECT_STREQ(text.data(), "told");
}

TEST(Isolation, LetsNoExceptionOut) {
  const IsolatedEnd end = run_isolated("it", [](Notes&) { throw 1; }, {kAmple});
  ASSERT_TRUE(end.failure);
  EXPECT_STREQ(end.failure->error.what(), "it ended without an answer (exit status 1)");
}

TEST(Isolation, GivesWhatWasWrittenDownBeforeTheTimeout) {
  // A timeout that is over before the note is made, as on a busy host, is too short to test with.
  for (const milliseconds timeout : {milliseconds(100), milliseconds(2000), milliseconds(20000)}) {
    const IsolatedEnd end = run_isolated("it",
                                         [](Notes& notes) {
                                           notes.add("one");
                                           wait_for_ever();
                                         },
                                         {timeout});
    ASSERT_TRUE(end.failure);
    EXPECT_EQ(end.failure->reason, Reason::Late);
    EXPECT_FALSE(has_children());
    if (end.notes == "one") return;
  }
  ADD_FAILURE() << "nothing was ever written down";
}

TEST(Isolation, HasNoPatienceWithWorkThatWaits) {
  const auto begin_and_wait = [](Notes& notes) {
    notes.add("begun");
    wait_for_ever();
  };
  const IsolatedEnd end = run_isolated("it", begin_and_wait, {kAmple, milliseconds(20)});
  ASSERT_TRUE(end.failure);
  EXPECT_EQ(end.failure->reason, Reason::Late);
  EXPECT_FALSE(has_children());
}

TEST(Isolation, HasPatienceBeforeTheFirstNote) {
  const auto work = [](Notes& notes) {
    ::usleep(200'000);
    notes.add("done");
  };
  const IsolatedEnd end = run_isolated("it", work, {kAmple, milliseconds(20)});
  EXPECT_EQ(end.notes, "done");
  EXPECT_FALSE(end.failure);
}

TEST(Isolation, HasPatienceWithWorkThatRuns) {
  const auto work = [](Notes& notes) {
    notes.add("begun, ");
    const auto until = std::chrono::steady_clock::now() + milliseconds(200);
    while (std::chrono::steady_clock::now() < until) {
    }
    notes.add("done");
  };
  const IsolatedEnd end = run_isolated("it", work, {kAmple, milliseconds(20)});
  EXPECT_EQ(end.notes, "begun, done");
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

// Works through a list of which these places hang; those that were done.
std::vector<std::size_t> done_of(std::size_t size, const std::vector<std::size_t>& hanging,
                                 Duration timeout = kAmple) {
  const auto contains = [](const std::vector<std::size_t>& places, std::size_t place) {
    return std::find(places.begin(), places.end(), place) != places.end();
  };
  std::vector<std::size_t> done;
  const auto work = [&](std::size_t begin, Notes& notes) {
    for (std::size_t place = begin; place < size; ++place) {
      notes.add("b");
      if (contains(hanging, place)) wait_for_ever();
      notes.add("d");
    }
  };
  const auto take = [&](std::size_t next, const std::string& notes) {
    for (const char note : notes) {
      if (note == 'b') ++next;
      if (note == 'd') done.push_back(next - 1);
    }
    return next;
  };
  bounded_map("it", {size, work, take}, timeout);
  EXPECT_FALSE(has_children());
  return done;
}

using Places = std::vector<std::size_t>;

TEST(IsolatedList, IsDone) {
  EXPECT_EQ(done_of(3, {}), (Places{0, 1, 2}));
  EXPECT_EQ(done_of(0, {}), Places());
}

TEST(IsolatedList, IsDoneBesideItemsThatHang) {
  EXPECT_EQ(done_of(3, {0}), (Places{1, 2}));
  EXPECT_EQ(done_of(4, {1, 2}), (Places{0, 3}));
  EXPECT_EQ(done_of(2, {0, 1}), Places());
}

TEST(IsolatedList, IsDoneBesideManyItemsThatHang) {
  EXPECT_EQ(done_of(14, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12}), (Places{11, 13}));
}

TEST(IsolatedList, IsDoneBesideItemsThatCrash) {
  Places taken;
  const auto work = [](std::size_t begin, Notes& notes) {
    notes.add("b");
    if (begin == 0) ::abort();
    notes.add("b");
  };
  const auto take = [&](std::size_t begin, const std::string& notes) {
    taken.push_back(notes.size());
    return begin + notes.size();
  };
  bounded_map("it", {3, work, take}, kAmple);
  EXPECT_EQ(taken, (Places{1, 2}));
}

TEST(IsolatedList, EndsWithTheTimeout) {
  EXPECT_EQ(done_of(2, {0}, milliseconds(50)), Places());
  EXPECT_EQ(done_of(2, {}, milliseconds(0)), Places());
}

TEST(IsolatedList, EndsWhereNothingBegins) {
  int calls = 0;
  const auto take = [&](std::size_t begin, const std::string&) {
    ++calls;
    return begin;
  };
  bounded_map("it", {3, [](std::size_t, Notes&) { ::abort(); }, take}, kAmple);
  EXPECT_EQ(calls, 1);
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
