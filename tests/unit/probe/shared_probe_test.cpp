#include "probe/shared_probe.h"

#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file_lock.h"
#include "support/child.h"
#include "support/expect_error.h"
#include "support/pool_builder.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// No pid of Linux is as high.
constexpr int kNobodysPid = 2'000'000'000;

class Shared : public ::testing::Test {
 protected:
  Shared() {
    observer_.pid_namespace = kFirstPidNamespace;
    tell({reading(0)});
  }

  // What the GPU tool tells from now on.
  void tell(const std::vector<GpuReading>& readings) {
    look_ = [this, readings] { return Observation{clock_.now(), readings, {}, "tool"}; };
  }

  static GpuProcess told(int pid) {
    GpuProcess process;
    process.pid = pid;
    process.program = "what the tool says";
    process.memory_mib = 5000;
    return process;
  }

  void tell_process(int pid) {
    GpuReading used = reading(0);
    used.processes = {told(pid)};
    tell({used});
  }

  Observation look(Duration age_max, Duration patience = seconds(30)) {
    return look_as(observer_, age_max, patience);
  }

  Observation look_as(const ProcessIdentity& observer, Duration age_max,
                      Duration patience = seconds(30)) {
    Instant begin = clock_.now();
    begin.wall -= age_max;
    begin.boot -= age_max;
    SharedProbe probe(clock_, {file_, probe_, view_, begin, observer, patience, seconds(30)}, [this] {
      ++looks_;
      return look_();
    });
    return probe.read_gpus();
  }

  std::optional<Observation> last(const ProcessIdentity& observer) const {
    return last_reading({file_, probe_, view_, {}, observer, seconds(30), seconds(30)});
  }

  std::string content() const {
    std::stringstream text;
    text << std::ifstream(file_).rdbuf();
    return text.str();
  }

  TemporaryFolder folder_;
  std::string file_ = folder_.write("reading", "");
  std::string probe_ = "nvml";
  std::string view_ = "/dev/nvidia0 /dev/nvidia1";
  ManualClock clock_;
  ProcessIdentity observer_ = process(1);
  std::function<Observation()> look_;
  int looks_ = 0;
};

TEST_F(Shared, ReadingIsUsedWhileItIsRecentEnough) {
  look(milliseconds(500));
  clock_.advance(milliseconds(500));
  EXPECT_EQ(look(milliseconds(500)).taken.boot, clock_.now().boot - milliseconds(500));
  EXPECT_EQ(looks_, 1);
  clock_.advance(milliseconds(1));
  EXPECT_EQ(look(milliseconds(500)).taken, clock_.now());
  EXPECT_EQ(looks_, 2);
}

TEST_F(Shared, ReadingIsNeverOlderThanAnAllocation) {
  look(milliseconds(0));
  clock_.advance(std::chrono::nanoseconds(1));
  look(milliseconds(0));
  EXPECT_EQ(looks_, 2);
}

TEST_F(Shared, ReadingComesBackAsItWas) {
  tell({reading(0), broken_reading(1, "GPU is lost")});
  const Observation first = look(seconds(1));
  const Observation second = look(seconds(1));
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(second.gpus, first.gpus);
  EXPECT_EQ(second.taken, first.taken);
  EXPECT_EQ(second.source, "tool");
  EXPECT_EQ(second.observer, observer_);
}

TEST_F(Shared, ReadingOfTheFutureIsNotBelieved) {
  clock_.advance(seconds(60));
  look(seconds(0));
  clock_.advance(-seconds(60));
  look(seconds(1));
  EXPECT_EQ(looks_, 2);
}

TEST_F(Shared, ReadingOfAnotherBootOrPidNamespaceIsNotUsed) {
  look(seconds(1));
  ProcessIdentity contained = observer_;
  contained.pid_namespace = 8;
  look_as(contained, seconds(1));
  EXPECT_EQ(looks_, 2);
  EXPECT_EQ(last(observer_), std::nullopt);  // the container's is there now
  look(seconds(1));
  EXPECT_EQ(looks_, 3);
  ProcessIdentity rebooted = observer_;
  rebooted.boot_id = "next-boot";
  EXPECT_EQ(last(rebooted), std::nullopt);
  clock_.reboot();
  look_as(rebooted, std::chrono::hours(9999));
  EXPECT_EQ(looks_, 4);
}

TEST_F(Shared, ReadingOfAnotherProbeIsNotUsed) {
  look(seconds(1));
  probe_ = "amd";
  look(seconds(1));
  EXPECT_EQ(looks_, 2);
  probe_ = "nvml";
  EXPECT_EQ(last(observer_), std::nullopt);
}

TEST_F(Shared, ReadingOfWhoSeesOtherGpusIsNotUsed) {
  look(seconds(1));
  view_ = "/dev/nvidia0";
  look(seconds(1));
  EXPECT_EQ(looks_, 2);
  EXPECT_NE(last(observer_), std::nullopt);
}

TEST_F(Shared, ReadingOfWhoSeesFewerGpusHidesNoRecentOne) {
  tell({reading(0), reading(1)});
  look(seconds(1));
  view_ = "/dev/nvidia0";
  tell({reading(0)});
  EXPECT_EQ(look(seconds(1)).gpus.size(), 1U);
  EXPECT_EQ(last(observer_), std::nullopt);
  view_ = "/dev/nvidia0 /dev/nvidia1";
  EXPECT_EQ(last(observer_)->gpus.size(), 2U);
  // It is of use to nobody by now.
  clock_.advance(std::chrono::minutes(1));
  view_ = "/dev/nvidia0";
  look(seconds(1));
  EXPECT_EQ(last(observer_)->gpus.size(), 1U);
}

TEST_F(Shared, ReadingOfTheSameViewIsReplacedThoughAGpuIsMissing) {
  tell({reading(0), reading(1)});
  look(seconds(0));
  tell({reading(0)});
  clock_.advance(milliseconds(1));
  look(seconds(0));
  EXPECT_EQ(last(observer_)->gpus.size(), 1U);
}

TEST_F(Shared, ProcessesAreFilledInForEverybodyAnew) {
  tell_process(::getpid());
  for (int i = 0; i < 2; ++i) {
    const GpuProcess filled = look(seconds(1)).gpus.at(0).processes.at(0);
    EXPECT_EQ(filled.program, "unit_probe");
    EXPECT_EQ(filled.uid, ::getuid());
    EXPECT_FALSE(filled.command_line.empty());
    EXPECT_FALSE(filled.ancestors.empty());
    EXPECT_TRUE(filled.start_ticks.has_value());
    EXPECT_EQ(filled.memory_mib, 5000U);
  }
  EXPECT_EQ(looks_, 1);
}

TEST_F(Shared, ProcessesAreStrangersToWhoDoesNotSeeTheHostsPids) {
  observer_.pid_namespace = 8;
  tell_process(::getpid());
  for (int i = 0; i < 2; ++i) {
    const GpuProcess kept = look(seconds(1)).gpus.at(0).processes.at(0);
    EXPECT_EQ(kept.program, "what the tool says");
    EXPECT_EQ(kept.uid, std::nullopt);
  }
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(last(observer_)->gpus.at(0).processes.at(0).uid, std::nullopt);
}

TEST_F(Shared, FileHoldsNothingOfWhatProcTells) {
  tell_process(::getpid());
  look(seconds(1));
  EXPECT_NE(content().find("what the tool says"), std::string::npos);
  EXPECT_EQ(content().find("unit_probe"), std::string::npos) << content();
}

TEST_F(Shared, ProcessesThatAreKnownAreNotAskedAboutAgainAndTheirFactsAreNotShared) {
  GpuReading used = reading(0);
  used.processes = {told(::getpid()), told(::getppid())};
  used.processes[0].start_ticks = 77;
  used.processes[0].program = "known";
  used.processes[0].uid = 1000;
  used.processes[0].asked_proc = true;
  tell({used});
  const std::vector<GpuProcess> processes = look(seconds(1)).gpus.at(0).processes;
  EXPECT_EQ(processes.at(0).program, "known");
  EXPECT_EQ(processes.at(0).start_ticks, 77U);
  EXPECT_NE(processes.at(1).start_ticks, std::nullopt);
  EXPECT_NE(processes.at(1).program, "what the tool says");
  EXPECT_EQ(content().find("known"), std::string::npos);
  EXPECT_NE(content().find("77"), std::string::npos);
}

TEST_F(Shared, ReadingIsNotUsedWhenAProcessOfItHasEnded) {
  Child process([] { return idle(); });
  tell_process(process.pid());
  look(seconds(60));
  look(seconds(60));
  EXPECT_EQ(looks_, 1);
  process.send(SIGKILL);
  process.wait();
  look(seconds(60));
  EXPECT_EQ(looks_, 2);
}

TEST_F(Shared, ProcessesThatProcNeverShowedAreNoReasonToLookAgain) {
  tell_process(kNobodysPid);
  look(seconds(1));
  EXPECT_EQ(look(seconds(1)).gpus.at(0).processes.at(0).program, "what the tool says");
  EXPECT_EQ(looks_, 1);
}

TEST_F(Shared, FailureIsThrownAndNotShared) {
  look_ = []() -> Observation { throw Error(ErrorKind::Failed, "the tool failed"); };
  expect_error(ErrorKind::Failed, "the tool failed", [&] { look(seconds(1)); });
  tell({reading(0)});
  look(seconds(1));
  EXPECT_EQ(looks_, 2);
}

TEST_F(Shared, LastReadingIsThereWhateverItsAge) {
  EXPECT_EQ(last(observer_), std::nullopt);
  look(seconds(1));
  clock_.advance(std::chrono::hours(5));
  ASSERT_TRUE(last(observer_));
  EXPECT_EQ(last(observer_)->gpus.size(), 1U);
}

TEST_F(Shared, FileIsMadeForEverybodyAndKept) {
  file_ = folder_.path("made");
  create_reading_file(file_);
  struct stat facts {};
  ASSERT_EQ(::stat(file_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0666U);
  look(seconds(1));
  create_reading_file(file_);
  EXPECT_TRUE(last(observer_));
  EXPECT_NO_THROW(create_reading_file(folder_.path("none/at/all")));
}

TEST_F(Shared, DamagedFilesAreNoReadings) {
  look(seconds(60));
  const std::string whole = content();
  const auto is_taken = [&](const std::string& text) {
    folder_.write("reading", text);
    return last(observer_).has_value();
  };
  EXPECT_TRUE(is_taken(whole));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = damaged[i] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(is_taken(damaged)) << i;
    EXPECT_FALSE(is_taken(whole.substr(0, i))) << i;
  }
  EXPECT_FALSE(is_taken(whole + whole));
  // A valid seal around nonsense.
  EXPECT_FALSE(is_taken("cbf29ce484222325 "));
}

TEST_F(Shared, WithoutAFileEverybodyLooks) {
  file_ = folder_.path("none");
  look(seconds(60));
  look(seconds(60));
  EXPECT_EQ(looks_, 2);
  file_ = folder_.path();
  look(seconds(60));
  EXPECT_EQ(looks_, 3);
}

TEST_F(Shared, WhoFindsSomebodyElseLookingTakesTheirReading) {
  const Whistle looking;
  const Whistle go_on;
  Child other([&] {
    tell({reading(0), reading(1)});
    const auto inner = look_;
    look_ = [&] {
      looking.blow();
      go_on.read_report();
      return inner();
    };
    look(seconds(0));
    return 0;
  });
  ASSERT_TRUE(looking.read_report());
  const Whistle waits;
  std::string seen = run_in_child([&] {
    go_on.blow();
    return std::to_string(look(seconds(1)).gpus.size()) + " " + std::to_string(looks_);
  });
  EXPECT_EQ(seen, "2 0");
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(Shared, WhoFindsSomebodyElseStuckLooksAlone) {
  const Whistle locked;
  const Child stuck([&] {
    const FileLock lock(file_, "it", seconds(30));
    locked.blow();
    return idle();
  });
  ASSERT_TRUE(locked.read_report());
  look(seconds(1), milliseconds(50));
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(content(), "");  // what is not locked is not written
}

}  // namespace
}  // namespace chg
