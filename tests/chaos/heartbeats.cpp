// A supervisor with years of heartbeats, one behind the other: what it takes of memory and
// descriptors after a tenth of them it takes at the end, and its job's GPU is free then.
//
//   heartbeats COUNT [FOLDER]     with a store in memory, or an embedded one in FOLDER
//
// 0: nothing has grown. Under valgrind, which has memory of its own, only its verdict counts.
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/supervise.h"
#include "base/error.h"
#include "process/identity.h"
#include "store/sqlite/sqlite_store.h"
#include "support/memory_store.h"

// Valgrind 3.19 does not know pidfd_open. Under it, the end of a pipe that the command holds open
// stands for its pidfd: it polls as ready when the command has ended.
static int end_of_command = -1;

extern "C" long syscall(long number, ...) noexcept {
  static const auto real = reinterpret_cast<long (*)(long, ...)>(dlsym(RTLD_NEXT, "syscall"));
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_pidfd_open && end_of_command >= 0) {
    return fcntl(end_of_command, F_DUPFD_CLOEXEC, 3);
  }
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

namespace {

using namespace chg;

bool is_under_valgrind() { return std::getenv("RUNNING_UNDER_VALGRIND") != nullptr; }

// A command that waits to be killed.
pid_t start_command() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  const pid_t command = ::fork();
  if (command == 0) {
    ::pause();
    ::_exit(0);
  }
  ::close(ends[1]);
  if (is_under_valgrind()) {
    end_of_command = ends[0];
  } else {
    ::close(ends[0]);
  }
  return command;
}

// Memory of its own in KiB, and descriptors.
struct Possessions {
  long memory_kib = 0;
  long descriptors = 0;
};

Possessions possessions() {
  Possessions now;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") status >> now.memory_kib;
  }
  const std::filesystem::directory_iterator open("/proc/self/fd");
  now.descriptors = std::distance(begin(open), end(open));
  return now;
}

// Hands everything on, and counts.
class CountingStore final : public Store {
 public:
  CountingStore(Store& store, const std::function<void()>& count) : store_(store), count_(count) {}
  CountingStore(std::unique_ptr<Store> own, const std::function<void()>& count)
      : own_(std::move(own)), store_(*own_), count_(count) {}

  void update(const std::function<void(Pool&)>& change) override {
    store_.update(change);
    count_();
  }
  Pool read() override { return store_.read(); }
  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return store_.read_events(asked);
  }
  void forget_events(WallTime before) override { store_.forget_events(before); }
  std::unique_ptr<Subscription> subscribe_to(const std::string& id) override {
    return store_.subscribe_to(id);
  }
  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return store_.subscribe_to_changes();
  }
  void tidy_up() override { store_.tidy_up(); }
  std::string location() const override { return store_.location(); }

 private:
  std::unique_ptr<Store> own_;
  Store& store_;
  const std::function<void()>& count_;
};

class Scene {
 public:
  Scene(long count, const std::string& folder) : wanted_(count), command_(start_command()) {
    if (!folder.empty()) path_ = folder + "/pool.db";
    if (!path_.empty()) create_sqlite_store(path_, Sharing{});
    options_.store_path = path_;
  }

  // Returns the exit status.
  int live() {
    Context context(world_, options_, {});
    Supervision supervision;
    supervision.reservation.id = "years";
    supervision.heartbeat_interval = std::chrono::microseconds(1);
    supervision.reservation.gpus = {0};
    supervision.reservation.holder = identity_of(command_);
    supervision.reservation.started = supervision.reservation.last_heartbeat = context.now();
    context.store().update([&](Pool& pool) {
      pool.provider = "fake";
      pool.policy.heartbeat_interval = supervision.heartbeat_interval;
      pool.gpus.resize(1);
      pool.reservations = {supervision.reservation};
    });
    supervise(context, supervision, RunTeller({}, {}), [] {});
    const Possessions end = possessions();
    std::printf("%ld updates; memory %ld KiB, %ld KiB, %ld KiB; descriptors %ld, %ld\n", updates_,
                early_.memory_kib, late_.memory_kib, end.memory_kib, early_.descriptors,
                late_.descriptors);
    const bool is_free = context.store().read().reservations.empty();
    // A page more for what the allocator has not yet touched is no leak.
    const bool is_flat =
        late_.memory_kib - early_.memory_kib <= 64 && late_.descriptors == early_.descriptors;
    return is_free && (is_flat || is_under_valgrind()) ? 0 : 1;
  }

 private:
  void note() {
    ++updates_;
    if (updates_ == wanted_ / 10) early_ = possessions();
    if (updates_ != wanted_) return;
    late_ = possessions();
    ::kill(command_, SIGKILL);
    ::waitpid(command_, nullptr, 0);
  }

  std::unique_ptr<Store> open() {
    if (path_.empty()) return std::make_unique<CountingStore>(memory_, count_);
    return std::make_unique<CountingStore>(open_sqlite_store(path_), count_);
  }

  long wanted_;
  pid_t command_;
  std::string path_;
  long updates_ = 0;
  Possessions early_, late_;
  std::function<void()> count_ = [this] { note(); };
  MemoryStore memory_;
  SystemClock clock_;
  ContextOptions options_;
  World world_{clock_,
               [this](const std::string&) { return open(); },
               [this](const std::string&, const std::optional<Sharing>&) { return open(); },
               [](const ProbeChoice&) -> std::unique_ptr<Probe> { return nullptr; },
               [](const ProbeChoice&) -> std::optional<Observation> { return std::nullopt; },
               [](Duration) { return Inventory{}; },
               [](const std::string&) {},
               [](const std::string&, int) {}};
};

}  // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 0;
  if (count < 100) {
    std::fprintf(stderr, "usage: heartbeats COUNT [FOLDER]     at least 100\n");
    return 2;
  }
  try {
    return Scene(count, argc > 2 ? argv[2] : "").live();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "heartbeats: %s\n", error.what());
    return 1;
  }
}
