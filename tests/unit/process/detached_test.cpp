// The supervisor's process. Its title and environment lie where the kernel laid the program's, so
// this program starts itself anew for those tests, as `unit_process --detach FOLDER`.
#include "process/detached.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process_stat.h"
#include "process/identity.h"
#include "process/job.h"
#include "support/child.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

constexpr char kTitle[] = "canhazgpu: supervisor of a test";

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The open descriptors of this process and what they are, "0:/dev/null 1:…".
std::string open_files() {
  std::string list;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name.front() == '.' || std::stoi(name) == ::dirfd(directory.get())) continue;
    std::array<char, 256> target{};
    static_cast<void>(
        !::readlink(("/proc/self/fd/" + name).c_str(), target.data(), target.size() - 1));
    list += name + ":" + target.data() + " ";
  }
  return list;
}

// The detached process of these tests: notes what it finds, and lives until somebody opens and
// closes FOLDER/end.
void live_in(const std::string& folder, const std::function<void()>& ready) {
  std::array<char, 256> directory{};
  static_cast<void>(!::getcwd(directory.data(), directory.size()));
  std::ofstream(folder + "/pid") << ::getpid();
  std::ofstream(folder + "/directory") << directory.data();
  const char* path = ::getenv("PATH");
  std::ofstream(folder + "/path") << (path == nullptr ? "" : path);
  ready();
  const std::string files = open_files();
  std::ofstream(folder + "/files") << files;
  const UniqueFd end(::open((folder + "/end").c_str(), O_RDONLY));
  std::ofstream(folder + "/ended") << "ended";
}

class Detached : public ::testing::Test {
 protected:
  Detached() { EXPECT_EQ(::mkfifo(folder_.path("end").c_str(), 0600), 0); }

  // Starts it from a program of its own, with something open, and returns when it is ready.
  void start(const std::vector<std::string>& environment) {
    Child starter([&] {
      const int left_open = ::open("/etc/passwd", O_RDONLY);
      static_cast<void>(left_open);
      return become_program({{"/proc/self/exe", "--detach", folder_.path()}, environment});
    });
    ASSERT_EQ(starter.wait(), 0);
    pid_ = std::stoi(read_whole(folder_.path("pid")));
    identity_ = identity_of(pid_).value_or(ProcessIdentity{});
  }

  // Lets it go on to its end, and waits for that.
  void finish() {
    const UniqueFd watched = watch(identity_);
    ASSERT_TRUE(watched);
    { const UniqueFd end(::open(folder_.path("end").c_str(), O_WRONLY)); }
    ASSERT_TRUE(becomes_ready(watched.get()));
  }

  void TearDown() override {
    if (!identity_.boot_id.empty()) send_signal(identity_, SIGKILL);
  }

  std::string proc(const std::string& file) const {
    return read_whole("/proc/" + std::to_string(pid_) + "/" + file);
  }

  TemporaryFolder folder_;
  int pid_ = 0;
  ProcessIdentity identity_;
};

TEST_F(Detached, ShowsItsTitleAndNothingElse) {
  start({"PATH=/bin", "SECRET=hidden"});
  std::string shown = proc("cmdline");
  shown.erase(std::find(shown.begin(), shown.end(), '\0'), shown.end());
  EXPECT_EQ(shown, kTitle);
  std::string all = proc("cmdline");
  std::erase(all, '\0');
  EXPECT_EQ(all, kTitle);
}

TEST_F(Detached, ShowsItsTitleThoughTheArgumentsLeaveNoRoom) {
  // Arguments of a few bytes and no environment at all: what fits is shown.
  start({});
  std::string shown = proc("cmdline");
  std::erase(shown, '\0');
  EXPECT_FALSE(shown.empty());
  EXPECT_EQ(std::string(kTitle).substr(0, shown.size()), shown);
}

TEST_F(Detached, ShowsNoReservationInItsEnvironment) {
  start({"A=b", std::string(kReservationVariable) + "=of_a_detached_test", "PATH=/bin:/usr/bin"});
  std::string shown = proc("environ");
  EXPECT_EQ(shown.find(kReservationVariable), std::string::npos) << shown;
  EXPECT_EQ(shown.find("of_a_detached_test"), std::string::npos) << shown;
}

TEST_F(Detached, IsNoMemberOfTheJobThatItWatches) {
  start({std::string(kReservationVariable) + "=of_a_detached_test"});
  const auto members = job_members({"of_a_detached_test", self_identity()});
  EXPECT_EQ(std::count(members.begin(), members.end(), identity_), 0);
}

TEST_F(Detached, KeepsItsVariablesForItself) {
  start({"A=b", "PATH=/some/path"});
  EXPECT_EQ(read_whole(folder_.path("path")), "/some/path");
}

TEST_F(Detached, HasNothingOpenButNothing) {
  start({});
  finish();
  EXPECT_EQ(read_whole(folder_.path("files")), "0:/dev/null 1:/dev/null 2:/dev/null ");
}

TEST_F(Detached, IsInASessionOfItsOwnWithoutTerminalAndDirectory) {
  start({});
  const auto stat = read_stat(pid_);
  ASSERT_TRUE(stat);
  EXPECT_NE(stat->session, read_stat(::getpid())->session);
  EXPECT_NE(stat->session, pid_) << "a leader may get a terminal";
  EXPECT_NE(stat->parent, ::getpid());
  EXPECT_EQ(read_whole(folder_.path("directory")), "/");
}

TEST_F(Detached, IsNotEndedByTheKeyboardOrTheTerminal) {
  start({});
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGPIPE}) send_signal(identity_, number);
  finish();
  EXPECT_EQ(read_whole(folder_.path("ended")), "ended");
}

TEST_F(Detached, CanBeTerminated) {
  start({});
  const UniqueFd watched = watch(identity_);
  send_signal(identity_, SIGTERM);
  EXPECT_TRUE(becomes_ready(watched.get()));
  EXPECT_EQ(read_whole(folder_.path("ended")), "");
}

// The handshake. In processes of their own, since each of them forks.

TEST_F(Detached, IsReadyWhenStartReturns) {
  EXPECT_EQ(run_in_child([&] {
              start_detached("title", [&](const std::function<void()>& ready) {
                live_in(folder_.path(), ready);
              });
              return read_whole(folder_.path("pid")).empty() ? std::string("not yet")
                                                             : std::string("ready");
            }),
            "ready");
  pid_ = std::stoi(read_whole(folder_.path("pid")));
  identity_ = identity_of(pid_).value_or(ProcessIdentity{});
  finish();
}

TEST_F(Detached, IsNoChildOfWhoStartsIt) {
  EXPECT_EQ(
      run_in_child([&] {
        start_detached("title",
                       [&](const std::function<void()>& ready) { live_in(folder_.path(), ready); });
        return std::string(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD ? "no children"
                                                                                    : "a child");
      }),
      "no children");
  pid_ = std::stoi(read_whole(folder_.path("pid")));
  identity_ = identity_of(pid_).value_or(ProcessIdentity{});
}

TEST_F(Detached, FailsWithWhatIsThrownBeforeItIsReady) {
  const std::string said = run_in_child([&] {
    start_detached("title", [](const std::function<void()>&) {
      throw Error(ErrorKind::NotPermitted, "the store is full");
    });
    return std::string("started");
  });
  EXPECT_TRUE(said.starts_with("error 77: ")) << said;
  EXPECT_NE(said.find("the store is full"), std::string::npos) << said;
}

TEST_F(Detached, FailsWithTheHintOfWhatIsThrown) {
  const std::string said = run_in_child([&]() -> std::string {
    try {
      start_detached("title", [](const std::function<void()>&) {
        throw Error(ErrorKind::Failed, "the store is full", "make room");
      });
    } catch (const Error& error) {
      return error.hint();
    }
    return "started";
  });
  EXPECT_EQ(said, "make room");
}

TEST_F(Detached, KeepsStderrWhereItIsAskedTo) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const std::string said = run_in_child([&] {
    ::dup2(writing.get(), STDERR_FILENO);
    UniqueFd copy;
    DetachedHooks hooks;
    hooks.take_stderr = [&](UniqueFd taken) { copy = std::move(taken); };
    start_detached(
        "title",
        [&](const std::function<void()>& ready) {
          ready();
          static_cast<void>(!::write(copy.get(), "told", 4));
        },
        hooks);
    return std::string("started");
  });
  EXPECT_EQ(said, "started");
  writing.reset();
  std::array<char, 8> text{};
  EXPECT_EQ(::read(reading.get(), text.data(), text.size()), 4);
  EXPECT_STREQ(text.data(), "told");
  // Its end is the end of what there is to read.
  EXPECT_EQ(::read(reading.get(), text.data(), text.size()), 0);
}

TEST_F(Detached, FailsWhenItEndsBeforeItIsReady) {
  const std::string said = run_in_child([&] {
    start_detached("title", [](const std::function<void()>&) {});
    return std::string("started");
  });
  EXPECT_TRUE(said.starts_with("error 1: ")) << said;
}

TEST_F(Detached, FailsWhenItIsKilledBeforeItIsReady) {
  const std::string said = run_in_child([&] {
    start_detached("title", [](const std::function<void()>&) { ::raise(SIGKILL); });
    return std::string("started");
  });
  EXPECT_TRUE(said.starts_with("error 1: ")) << said;
}

TEST_F(Detached, MayFailAfterItIsReady) {
  EXPECT_EQ(run_in_child([&] {
              start_detached("title", [](const std::function<void()>& ready) {
                ready();
                throw Error(ErrorKind::Failed, "later");
              });
              return std::string("started");
            }),
            "started");
}

TEST_F(Detached, StartsForAProgramWithoutStandardDescriptors) {
  const std::string said = run_in_child([&] {
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    start_detached("title", [](const std::function<void()>& ready) { ready(); });
    return std::string("started");
  });
  EXPECT_EQ(said, "started");
}

int detach(const std::string& folder) {
  try {
    start_detached(kTitle, [&](const std::function<void()>& ready) { live_in(folder, ready); });
  } catch (const Error&) {
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace chg

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--detach") {
    const std::string folder = argv[2];
    chg::remember_arguments(argc, argv);
    return chg::detach(folder);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
