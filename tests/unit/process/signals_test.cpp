#include "process/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"

namespace chg {
namespace {

// All of it in child processes: signals are a matter of the whole process.

TEST(SignalWatch, TellsOfSignalsInsteadOfEndingTheProcess) {
  EXPECT_EQ(run_in_child([] {
              SignalWatch watch;
              std::string taken = watch.take() ? "early " : "";
              for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
                ::raise(number);
                if (!becomes_ready(watch.fd())) return std::string("silent");
                taken += watch.take() == number ? "taken " : "other ";
              }
              return taken + (is_ready(watch.fd()) ? "more" : "done");
            }),
            "taken taken taken done");
}

TEST(SignalWatch, HoldsNoOtherSignalBack) {
  EXPECT_EQ(run_in_child([] {
              const SignalWatch watch;
              ::raise(SIGQUIT);
              return std::string("survived");
            }),
            "ended by signal " + std::to_string(SIGQUIT));
}

TEST(SignalWatch, LeavesIgnoredWhatWasIgnored) {
  EXPECT_EQ(run_in_child([] {
              ::signal(SIGHUP, SIG_IGN);  // as nohup does
              ::signal(SIGINT, SIG_IGN);  // as a shell does for what it runs in the background
              SignalWatch watch;
              ::raise(SIGHUP);
              ::raise(SIGINT);
              if (watch.take()) return std::string("told of an ignored signal");
              ::raise(SIGTERM);
              return std::string(watch.take() == SIGTERM ? "ignored" : "lost another");
            }),
            "ignored");
}

TEST(SignalWatch, DeliversAtItsEndWhatNobodyTook) {
  EXPECT_EQ(run_in_child([] {
              {
                const SignalWatch watch;
                ::raise(SIGTERM);
              }
              return std::string("survived");
            }),
            "ended by signal " + std::to_string(SIGTERM));
}

TEST(SignalWatch, DeliversNothingThatWasTaken) {
  EXPECT_EQ(run_in_child([] {
              {
                SignalWatch watch;
                ::raise(SIGTERM);
                watch.take();
              }
              return std::string("survived");
            }),
            "survived");
}

TEST(SignalWatch, RestoresWhatWasHeldBackBefore) {
  EXPECT_EQ(run_in_child([] {
              sigset_t held;
              sigemptyset(&held);
              sigaddset(&held, SIGHUP);
              sigprocmask(SIG_SETMASK, &held, nullptr);
              { const SignalWatch watch; }
              sigset_t now;
              sigprocmask(SIG_SETMASK, nullptr, &now);
              return std::string(sigismember(&now, SIGHUP) == 1 && sigismember(&now, SIGTERM) == 0
                                     ? "restored"
                                     : "changed");
            }),
            "restored");
}

}  // namespace
}  // namespace chg
