#include "render/run_news.h"

#include <chrono>

#include <gtest/gtest.h>

namespace chg {
namespace {

using std::chrono::seconds;

const NamedProcess kSleep{26250, "sleep", ""};
const NamedProcess kPython{7, "python3", ""};
const NamedProcess kRoots{8, "sleep", "root"};

TEST(RunNews, TellOfWhatLivesOn) {
  EXPECT_EQ(run_news_line(LivesOn{{kSleep}, {7}, seconds(60)}),
            "sleep (pid 26250) is still running: GPU 7 stays reserved for you for 1m, and then for "
            "as long as it is "
            "used; end the process: canhazgpu release --kill --gpu-ids 7");
  EXPECT_EQ(run_news_line(LivesOn{{kSleep, kPython}, {0, 1}, seconds(60)}),
            "sleep (pid 26250) and python3 (pid 7) are still running: GPUs 0 and 1 stay reserved "
            "for you for 1m, and "
            "then for as long as they are used; end the processes: canhazgpu release --kill "
            "--gpu-ids 0,1");
}

TEST(RunNews, TellOfWhatUsesTheGpus) {
  EXPECT_EQ(run_news_line(KeepsGpus{{kSleep}, {7}, {7}}),
            "GPU 7 stays reserved for you: sleep (pid 26250) uses it; end the process: canhazgpu "
            "release --kill "
            "--gpu-ids 7");
  EXPECT_EQ(run_news_line(KeepsGpus{{kSleep, kPython}, {0, 1, 2}, {1}}),
            "GPUs 0-2 stay reserved for you: sleep (pid 26250) and python3 (pid 7) use GPU 1; end "
            "the processes: "
            "canhazgpu release --kill --gpu-ids 0,1,2");
  EXPECT_EQ(run_news_line(KeepsGpus{{kSleep}, {7}, {}}),
            "GPU 7 stays reserved for you while sleep (pid 26250) lives on, since it can't be seen "
            "whether it "
            "is used; end the process: canhazgpu release --kill --gpu-ids 7");
}

TEST(RunNews, NameNoCommandThatEndsNothing) {
  EXPECT_EQ(
      run_news_line(KeepsGpus{{kRoots}, {7}, {7}}),
      "GPU 7 stays reserved for you: sleep (pid 8) of root uses it; end the process: sudo kill 8");
}

TEST(RunNews, NameNoCommandThatEndsWhatIsAroundTheRun) {
  EXPECT_EQ(run_news_line(KeepsGpus{{kSleep}, {7}, {7}, true}),
            "GPU 7 stays reserved for you: sleep (pid 26250) uses it; end the process: kill 26250");
}

TEST(RunNews, CountWhatIsTooMuchToName) {
  const std::vector<NamedProcess> many(9, kPython);
  EXPECT_EQ(run_news_line(KeepsGpus{many, {7}, {7}}),
            "GPU 7 stays reserved for you: python3 (pid 7), python3 (pid 7), python3 (pid 7) and 6 "
            "others use "
            "it; end the processes: canhazgpu release --kill --gpu-ids 7");
}

TEST(RunNews, TellOfSignals) {
  SendsSignal news;
  news.signal = "SIGINT";
  news.processes = {kPython};
  news.timeout = seconds(7200);
  news.left = seconds(30) - std::chrono::microseconds(20);
  EXPECT_EQ(run_news_line(news),
            "the run's time of 2h is over: SIGINT to python3 (pid 7); SIGKILL follows after 30s");
  news.occasion = SendsSignal::Occasion::IsLeftover;
  EXPECT_EQ(run_news_line(news),
            "the command has ended, and what it left is ended (--leftovers kill): SIGINT to "
            "python3 (pid 7); SIGKILL follows after 30s");
  news.is_first = false;
  news.signal = "SIGTERM";
  news.ignored = "SIGINT";
  EXPECT_EQ(run_news_line(news),
            "SIGTERM to python3 (pid 7), which ignores SIGINT; SIGKILL follows after 30s");
  news.ignored = "";
  news.outlived = "SIGTERM";
  news.signal = "SIGKILL";
  news.processes = {kPython, kSleep};
  EXPECT_EQ(run_news_line(news),
            "SIGKILL to python3 (pid 7) and sleep (pid 26250), which live on after SIGTERM");
}

TEST(RunNews, TellWhoCanEndWhatTheOwnerCannot) {
  EXPECT_EQ(run_news_line(OutOfReach{{kRoots}, {7}}),
            "sleep (pid 8) of root cannot be ended by you, and keeps GPU 7 while it lives; root "
            "can: sudo kill 8");
  EXPECT_EQ(run_news_line(OutOfReach{{kRoots, kRoots}, {}}),
            "sleep (pid 8) of root and sleep (pid 8) of root cannot be ended by you; root can: "
            "sudo kill 8 8");
}

TEST(RunNews, AreHarmlessLines) {
  EXPECT_EQ(run_news_line(KeepsGpus{{{7, "a\n\033[2J", ""}}, {7}, {7}}),
            "GPU 7 stays reserved for you: a\\n\\x1b[2J (pid 7) uses it; end the process: "
            "canhazgpu release --kill "
            "--gpu-ids 7");
}

}  // namespace
}  // namespace chg
