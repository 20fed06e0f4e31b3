// Who waits for a lock gets it in the end, or is told who has it.
#include "base/file_lock.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>

#include "support/child.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(FileLock, NamesTheStoppedProcessThatHoldsIt) {
  const TemporaryFolder folder;
  const std::string file = folder.write("lock", "");
  const Whistle locked;
  const Child holder([&] {
    const FileLock lock(file, "the store", seconds(10));
    locked.blow();
    return idle();
  });
  ASSERT_TRUE(locked.read_report());
  holder.stop();
  const Error error = error_of([&] { const FileLock lock(file, "the store", milliseconds(200)); });
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_TRUE(error.is_passing());
  EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("process " + std::to_string(holder.pid()) + " ("), std::string::npos)
      << error.hint();
}

TEST(FileLock, IsHadAgainWhenItsHolderIsKilled) {
  const TemporaryFolder folder;
  const std::string file = folder.write("lock", "");
  const Whistle locked;
  const Child holder([&] {
    const FileLock lock(file, "the store", seconds(10));
    locked.blow();
    return idle();
  });
  ASSERT_TRUE(locked.read_report());
  std::thread killer([&] { holder.send(SIGKILL); });
  EXPECT_NO_THROW(FileLock(file, "the store", seconds(30)));
  killer.join();
}

TEST(FileLock, IsHadAgainAfterItWasLetGo) {
  const TemporaryFolder folder;
  const std::string file = folder.write("lock", "");
  { const FileLock lock(file, "the store", seconds(10)); }
  EXPECT_NO_THROW(FileLock(file, "the store", milliseconds(200)));
}

TEST(FileLock, WaitsOnThroughSignalsOfOthers) {
  const TemporaryFolder folder;
  const std::string file = folder.write("lock", "");
  const Whistle locked;
  const Child holder([&] {
    const FileLock lock(file, "the store", seconds(10));
    locked.blow();
    return idle();
  });
  ASSERT_TRUE(locked.read_report());
  const Whistle begins;
  const Whistle got_it;
  Child waiter([&] {
    struct sigaction ignore {};
    ignore.sa_handler = [](int) {};
    sigaction(SIGUSR1, &ignore, nullptr);
    begins.blow();
    const FileLock lock(file, "the store", seconds(30));
    got_it.blow();
    return 0;
  });
  ASSERT_TRUE(begins.read_report());
  for (int i = 0; i < 20; ++i) waiter.send(SIGUSR1);
  EXPECT_FALSE(got_it.was_blown());
  holder.send(SIGKILL);
  EXPECT_TRUE(got_it.read_report());
  EXPECT_EQ(waiter.wait(), 0);
}

TEST(FileLock, LeavesTheSignalsOfItsProcessAsTheyWere) {
  EXPECT_EQ(run_in_child([] {
              const TemporaryFolder folder;
              const std::string file = folder.write("lock", "");
              signal(SIGALRM, SIG_IGN);
              const FileLock lock(file, "the store", seconds(1));
              error_of([&] { const FileLock second(file, "the store", milliseconds(50)); });
              struct sigaction action {};
              sigaction(SIGALRM, nullptr, &action);
              return std::string(action.sa_handler == SIG_IGN ? "ignored" : "changed");
            }),
            "ignored");
}

}  // namespace
}  // namespace chg
