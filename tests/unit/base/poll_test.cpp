#include "base/poll.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace chg {
namespace {

using namespace std::chrono_literals;
using Ready = std::vector<bool>;

struct Pipe {
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    out = UniqueFd(fds[0]);
    in = UniqueFd(fds[1]);
  }
  UniqueFd out;
  UniqueFd in;
};

TEST(WaitReady, TellsWhichIsReadable) {
  const Pipe quiet;
  const Pipe loud;
  ASSERT_EQ(write(loud.in.get(), "x", 1), 1);
  EXPECT_EQ(wait_ready({quiet.out.get(), loud.out.get()}, 10s), (Ready{false, true}));
}

TEST(WaitReady, TellsAHangUp) {
  Pipe pipe;
  pipe.in.reset();
  EXPECT_EQ(wait_ready({pipe.out.get()}, std::nullopt), Ready{true});
}

TEST(WaitReady, TellsNoneAfterTheTimeout) {
  const Pipe pipe;
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(wait_ready({pipe.out.get()}, 20ms), Ready{false});
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
}

TEST(WaitReady, DoesNotWaitForATimeThatIsOver) {
  const Pipe pipe;
  EXPECT_EQ(wait_ready({pipe.out.get()}, 0s), Ready{false});
  EXPECT_EQ(wait_ready({pipe.out.get()}, -5s), Ready{false});
}

TEST(WaitReady, IsNeverReadyForNone) {
  EXPECT_EQ(wait_ready({-1}, 0s), Ready{false});
  EXPECT_EQ(wait_ready({}, 0s), Ready{});
}

TEST(WaitReady, EndsAtASignalWithNoneReady) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, &before);
  const itimerval soon{{0, 10'000}, {0, 10'000}};  // again and again: one may come too early
  setitimer(ITIMER_REAL, &soon, nullptr);
  const Pipe pipe;
  EXPECT_EQ(wait_ready({pipe.out.get()}, std::nullopt), Ready{false});
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
}

}  // namespace
}  // namespace chg
