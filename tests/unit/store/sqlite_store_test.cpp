// What the embedded store promises beyond the contract: many processes, their deaths, and bad
// files.
#include "store/sqlite/sqlite_store.h"

#include <algorithm>
#include <chrono>
#include <random>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/bells.h"
#include "store/sqlite/connection.h"
#include "support/child.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/temporary_folder.h"
#include "unit/store/add_one.h"

namespace chg {
namespace {

using std::chrono::seconds;

const Sharing kEverybody{0666, -1};

class SqliteStore : public ::testing::Test {
 protected:
  std::unique_ptr<Store> create(const std::optional<Sharing>& sharing = std::nullopt) const {
    return create_sqlite_store(path_, sharing);
  }
  std::unique_ptr<Store> open() const { return open_sqlite_store(path_); }

  // A store with something in it, all of which is in the database file itself, with an empty log.
  void create_full() const {
    create()->update([](Pool& pool) { pool = full_pool(); });
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  unsigned mode_of(const std::string& suffix) const {
    struct stat file {};
    EXPECT_EQ(::stat((path_ + suffix).c_str(), &file), 0) << suffix;
    return file.st_mode & 07777U;
  }

  int group_of(const std::string& suffix) const {
    struct stat file {};
    EXPECT_EQ(::stat((path_ + suffix).c_str(), &file), 0) << suffix;
    return static_cast<int>(file.st_gid);
  }

  // Opens and reads the store. Whatever the file holds, that ends well or with an Error.
  std::string attempt() const {
    return run_in_child([&] {
      const auto store = open();
      store->read();
      store->history(WallTime::min());
      store->update([](Pool& pool) { pool.provider = "x"; });
      return std::string("fine");
    });
  }

  void overwrite(std::size_t offset, const std::string& bytes) const {
    const UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.path("pool.db");
};

// Many processes.

TEST_F(SqliteStore, LosesNoUpdateOfManyProcesses) {
  constexpr unsigned kProcesses = 8;
  constexpr unsigned kUpdates = 200;
  create();
  std::vector<Child> children;
  for (unsigned i = 0; i < kProcesses; ++i) {
    children.emplace_back([&] {
      const auto store = open();
      for (unsigned n = 0; n < kUpdates; ++n) add_one(*store);
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  const auto store = open();
  EXPECT_EQ(store->read().next_arrival, 1 + kProcesses * kUpdates);
  EXPECT_EQ(store->history(WallTime::min()).size(), kProcesses * kUpdates);
}

TEST_F(SqliteStore, IsMadeOnceByManyWhoMakeItAtTheSameTime) {
  std::vector<Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&] {
      add_one(*create());
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(open()->read().next_arrival, 9U);
}

// Deaths.

TEST_F(SqliteStore, WakesWhoListensWhenTheWriterIsKilledBetweenCommitAndBell) {
  create();
  const Bells bells(path_ + "-bells");
  const auto changes = open()->subscribe_to_changes();
  const auto granted = open()->subscribe_to("r1");
  const auto other = open()->subscribe_to("r2");
  const Whistle pulled;
  Child writer([&] {
    const auto held = bells.pull({"r1"});
    pulled.blow();
    return idle();
  });
  ASSERT_TRUE(pulled.read_report());
  EXPECT_FALSE(is_ready(changes->fd()));
  EXPECT_FALSE(is_ready(granted->fd()));
  writer.send(SIGKILL);
  EXPECT_TRUE(becomes_ready(changes->fd()));
  EXPECT_TRUE(becomes_ready(granted->fd()));
  EXPECT_FALSE(is_ready(other->fd()));
}

TEST_F(SqliteStore, WakesWhoBeginsToListenWhileTheBellIsPulled) {
  create();
  const Bells bells(path_ + "-bells");
  auto held = bells.pull({"r1"});
  const auto changes = bells.listen_to_changes();
  const auto granted = bells.listen_to("r1");
  EXPECT_FALSE(is_ready(changes->fd()));
  held.clear();
  EXPECT_TRUE(becomes_ready(changes->fd()));
  EXPECT_TRUE(becomes_ready(granted->fd()));
}

// Files that are no good.

TEST_F(SqliteStore, SaysWhatToDoWhenThereIsNone) {
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("canhazgpu admin"), std::string::npos);
}

TEST_F(SqliteStore, IsNotMadeByOpening) {
  error_of([&] { open(); });
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
}

TEST_F(SqliteStore, SaysThatAnEmptyFileHoldsNoPoolYet) {
  folder_.write("pool.db", "");
  expect_error(ErrorKind::Failed, "there is no pool in", [&] { open(); });
}

TEST_F(SqliteStore, SaysThatItIsDamagedWhenItsPagesAreOverwritten) {
  create_full();
  overwrite(1024, std::string(20 * 1024, '\xff'));
  const std::string said = attempt();
  EXPECT_NE(said.find("error 1: "), std::string::npos) << said;
  EXPECT_NE(said.find("is damaged"), std::string::npos) << said;
}

TEST_F(SqliteStore, SaysThatItIsDamagedWhenItIsAnythingElse) {
  std::mt19937 random(7);
  std::string garbage;
  for (int i = 0; i < 20'000; ++i) garbage += static_cast<char>(random());
  folder_.write("pool.db", garbage);
  const std::string said = attempt();
  EXPECT_NE(said.find("is damaged"), std::string::npos) << said;
}

TEST_F(SqliteStore, SaysThatItIsDamagedWhenItIsTruncated) {
  create_full();
  ASSERT_EQ(::truncate(path_.c_str(), 5 * 1024), 0);
  const std::string said = attempt();
  EXPECT_NE(said.find("is damaged"), std::string::npos) << said;
}

TEST_F(SqliteStore, LeavesDamagedUsageRecordsOut) {
  create_full();
  const auto store = open();
  store->update([](Pool& pool) {
    pool.events = {usage_event("damaged", 0, 1), usage_event("whole", 0, 2)};
  });
  SQLite::Database(path_, SQLite::OPEN_READWRITE)
      .exec(
          "UPDATE events SET record = json_set(record, '$.how', 'evaporated') "
          "WHERE record ->> 'id' = 'damaged'");
  const auto history = store->history(WallTime::min());
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].reservation_id, "whole");
}

TEST_F(SqliteStore, TakesAGpuWhoseRecordIsDamagedOutOfService) {
  create_full();
  SQLite::Database(path_, SQLite::OPEN_READWRITE)
      .exec("UPDATE pool SET record = '{\"uuid\":' WHERE field = 'gpu:1'");
  const Pool pool = open()->read();
  EXPECT_EQ(pool.gpus.at(1).out_of_service, "its record in the store was damaged");
  EXPECT_EQ(pool.gpus.at(0), full_pool().gpus.at(0));
}

TEST_F(SqliteStore, SaysThatItIsDamagedWhenWhatIsInItIsNoneOfOurs) {
  for (const char* change :
       {"record = json_set(record, '$.started', 'nonsense') WHERE field = 'reservation:bare'",
        "record = '' WHERE field = 'cancelled'", "record = '[]' WHERE field = 'settings'",
        "field = 'gpu:x' WHERE field = 'gpu:1'", "field = 'gpu:' WHERE field = 'gpu:1'",
        "record = '{}' WHERE field = 'request:last'"}) {
    create_full();
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(std::string("UPDATE pool SET ") + change);
    const Error error = error_of([&] { open()->read(); });
    EXPECT_NE(std::string(error.what()).find("damaged"), std::string::npos)
        << change << error.what();
    EXPECT_NE(error.hint(), "") << change;
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("DELETE FROM pool");
  }
}

// A later version may keep more.
TEST_F(SqliteStore, LeavesFieldsThatItDoesNotKnow) {
  create_full();
  SQLite::Database database(path_, SQLite::OPEN_READWRITE);
  database.exec("INSERT INTO pool VALUES ('weather', 'fine')");
  EXPECT_EQ(open()->read(), full_pool());
  open()->update([](Pool& pool) { pool.admin_group = "others"; });
  EXPECT_EQ(database.execAndGet("SELECT record FROM pool WHERE field = 'weather'").getString(),
            "fine");
}

TEST_F(SqliteStore, EndsWellOrWithAnErrorWhateverBytesItHolds) {
  create_full();
  std::ifstream file(path_, std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(file), {}};
  std::mt19937 random(20261124);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    std::string bad = good;
    for (int flips = 0; flips < 40; ++flips)
      bad[random() % bad.size()] = static_cast<char>(random());
    folder_.write("pool.db", bad);
    for (const char* suffix : {"-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
    const std::string said = attempt();
    EXPECT_TRUE(said == "fine" || said.starts_with("error ")) << "round " << round << ": " << said;
    if (said != "fine") ++refused;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(SqliteStore, EndsAStatementThatTakesTooLong) {
  create();
  SqliteConnection connection(path_, Access::Shared);
  try {
    connection.database().exec(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n");
    FAIL() << "it came to an end";
  } catch (const SQLite::Exception& error) {
    expect_error(ErrorKind::Failed, "holds more than can be read in 10 s",
                 [&] { rethrow_sqlite(error, path_); });
  }
}

TEST_F(SqliteStore, RefusesWhatItsSchemaDoesNotMake) {
  int round = 0;
  for (const char* change :
       {"CREATE VIEW more AS SELECT 1", "CREATE TABLE songs (name)", "ANALYZE",
        "DROP TABLE events",
        "CREATE TRIGGER more AFTER INSERT ON pool BEGIN DELETE FROM events; END"}) {
    path_ = folder_.path(std::to_string(++round) + ".db");
    create_full();
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(change);
    expect_error(ErrorKind::Failed, "is no part of a pool", [&] { open(); });
  }
}

// Opening it takes several descriptors; whichever is missing is no sign of a missing log.
#ifndef __SANITIZE_ADDRESS__  // which needs descriptors of its own to see what an object is
TEST_F(SqliteStore, SaysThatThereAreTooFewDescriptors) {
  create_full();
  const auto attempt_with = [&](int spare) {
    return run_in_child([&] {
      const UniqueFd next(::open("/dev/null", O_RDONLY));
      const rlim_t limit = static_cast<rlim_t>(next.get() + 1 + spare);
      const rlimit few{limit, limit};
      if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return std::string("cannot set the limit");
      const auto store = open();
      store->read();
      store->update([](Pool& pool) { pool.gpus.pop_back(); });
      return std::string("fine");
    });
  };
  int spare = 0;
  for (std::string said; (said = attempt_with(spare)) != "fine"; ++spare) {
    ASSERT_LT(spare, 20) << said;
    EXPECT_NE(said.find("Too many open files"), std::string::npos) << spare << ": " << said;
    EXPECT_EQ(said.find("-wal"), std::string::npos) << spare << ": " << said;
  }
  EXPECT_GT(spare, 2);
}
#endif

TEST_F(SqliteStore, RefusesTheDatabaseOfAnotherProgram) {
  SQLite::Database other(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  other.exec("CREATE TABLE songs (name); PRAGMA user_version = 1");
  expect_error(ErrorKind::Failed, "is a database of another program", [&] { open(); });
  expect_error(ErrorKind::Failed, "is a database of another program", [&] { create(); });
}

// Most programs leave user_version at 0.
TEST_F(SqliteStore, MakesNoPoolInTheDatabaseOfAnotherProgram) {
  SQLite::Database other(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  other.exec("CREATE TABLE songs (name)");
  expect_error(ErrorKind::Failed, "is a database of another program", [&] { open(); });
  expect_error(ErrorKind::Failed, "is a database of another program", [&] { create(kEverybody); });
  EXPECT_EQ(other.execAndGet("SELECT count(*) FROM sqlite_master").getInt(), 1);
  EXPECT_EQ(other.execAndGet("PRAGMA journal_mode").getString(), "delete");
}

TEST_F(SqliteStore, RefusesAVersionThatItDoesNotKnow) {
  create_full();
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 999");
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.kind(), ErrorKind::Failed);
  EXPECT_NE(std::string(error.what()).find("999"), std::string::npos) << error.what();
  EXPECT_NE(error.hint(), "");
  expect_error(ErrorKind::Failed, "newer canhazgpu", [&] { create(); });
}

TEST_F(SqliteStore, SaysSoWhenTheDiskIsFullAndGoesOnWhenItIsNot) {
  const std::string disk = folder_.path("disk");
  ASSERT_EQ(::mkdir(disk.c_str(), 0755), 0);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=512k,mode=755") != 0) {
    GTEST_SKIP() << "may not mount a small disk here";
  }
  path_ = disk + "/pool.db";
  {
    const auto store = create();
    store->update([](Pool& pool) { pool.provider = "before"; });
    {
      const UniqueFd ballast(
          ::open((disk + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      const std::string block(1024, 'x');
      while (::write(ballast.get(), block.data(), block.size()) > 0) {
      }
    }
    const Error error = error_of([&] {
      for (int i = 0; i < 1000; ++i) {
        store->update([](Pool& pool) {
          pool.provider += "+";
          pool.admin_group += std::string(5'000, 'y');
        });
      }
    });
    EXPECT_EQ(error.kind(), ErrorKind::Failed);
    EXPECT_NE(std::string(error.what()).find("no space left"), std::string::npos) << error.what();
    const Pool full = store->read();
    EXPECT_EQ(full.provider.size() - 6, full.admin_group.size() / 5'000) << "half a change";
    EXPECT_EQ(::unlink((disk + "/ballast").c_str()), 0);
    store->update([](Pool& pool) { pool.provider = "after"; });
    EXPECT_EQ(store->read().provider, "after");
  }
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

// Who may use it.

TEST_F(SqliteStore, MakesItsFilesForEverybodyWhateverTheUmask) {
  const mode_t old = ::umask(077);
  create(kEverybody);
  ::umask(old);
  for (const std::string suffix :
       {"", "-lock", "-wal", "-shm", "-bells/changes", "-bells/request.00", "-bells/request.63"}) {
    EXPECT_EQ(mode_of(suffix), 0666U) << suffix;
  }
  // Nobody but its owner may take a bell away.
  EXPECT_EQ(mode_of("-bells"), 0755U);
}

TEST_F(SqliteStore, MakesItsFilesForAGroupWhateverTheUmask) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files to any group";
  const mode_t old = ::umask(0777);
  create(Sharing{0660, kNobody});
  ::umask(old);
  for (const std::string suffix :
       {"", "-lock", "-wal", "-shm", "-bells/changes", "-bells/request.00"}) {
    EXPECT_EQ(mode_of(suffix), 0660U) << suffix;
    EXPECT_EQ(group_of(suffix), kNobody) << suffix;
  }
  EXPECT_EQ(mode_of("-bells"), 0750U);
  EXPECT_EQ(group_of("-bells"), kNobody);
}

TEST_F(SqliteStore, IsForItsMakerAloneUnlessShared) {
  const mode_t old = ::umask(0);
  create();
  ::umask(old);
  for (const std::string suffix : {"", "-lock", "-wal", "-shm", "-bells/changes"}) {
    EXPECT_EQ(mode_of(suffix), 0600U) << suffix;
  }
}

TEST_F(SqliteStore, MakesItsDirectoryForThoseWhoShareIt) {
  const std::string directory = folder_.path("made/here");
  path_ = directory + "/pool.db";
  const mode_t old = ::umask(077);
  create(kEverybody);
  ::umask(old);
  struct stat file {};
  ASSERT_EQ(::stat(directory.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777U, 0755U);
}

// As whoever makes it may leave it, killed at any moment.
TEST_F(SqliteStore, IsMadeWhereSomebodyHasBegunToMakeIt) {
  folder_.write("pool.db", "", 0600);
  add_one(*create());
  EXPECT_EQ(open()->read().next_arrival, 2U);
}

TEST_F(SqliteStore, IsMadeWhereSomeBellsAreMissing) {
  create();
  for (const char* bell : {"-bells/request.40", "-bells/request.63"}) {
    ASSERT_EQ(::unlink((path_ + bell).c_str()), 0);
  }
  create();
  EXPECT_EQ(::access((path_ + "-bells/request.40").c_str(), F_OK), 0);
  EXPECT_EQ(::access((path_ + "-bells/request.63").c_str(), F_OK), 0);
}

TEST_F(SqliteStore, IsMadeWhereAllFilesAreThereButEmpty) {
  create();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(::truncate((path_ + suffix).c_str(), 0), 0);
  }
  add_one(*create());
  EXPECT_EQ(open()->read().next_arrival, 2U);
}

TEST_F(SqliteStore, KeepsItsDataWhenItIsMadeAgain) {
  create()->update([](Pool& pool) { pool = full_pool(); });
  EXPECT_EQ(create()->read(), full_pool());
  EXPECT_EQ(create(kEverybody)->read(), full_pool());
}

TEST_F(SqliteStore, ChangesItsModesWhenItIsMadeAgainForOthersAndElseNot) {
  create();
  create(kEverybody);
  EXPECT_EQ(mode_of(""), 0666U);
  EXPECT_EQ(mode_of("-bells/changes"), 0666U);
  create();
  EXPECT_EQ(mode_of(""), 0666U);
}

TEST_F(SqliteStore, LeavesItsLogWhenTheLastOneLeaves) {
  create()->update([](Pool& pool) { pool.provider = "x"; });
  EXPECT_EQ(::access((path_ + "-wal").c_str(), F_OK), 0);
  EXPECT_EQ(::access((path_ + "-shm").c_str(), F_OK), 0);
  EXPECT_EQ(open()->read().provider, "x");
}

class SqliteStoreOfRoot : public SqliteStore {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  }
};

TEST_F(SqliteStoreOfRoot, IsUsedByOthersWhoMayNotWriteItsDirectory) {
  create(kEverybody);
  // Alone, so that he is the last to leave as well.
  EXPECT_EQ(run_in_child(
                [&] {
                  add_one(*open());
                  const auto store = open();
                  const auto changes = store->subscribe_to_changes();
                  add_one(*store);
                  return std::string(becomes_ready(changes->fd()) ? "woken" : "not woken");
                },
                kNobody),
            "woken");
  EXPECT_EQ(open()->read().next_arrival, 3U);
  EXPECT_EQ(mode_of("-wal"), 0666U);
  EXPECT_EQ(mode_of("-shm"), 0666U);
}

// SQLite's own shell has taken the log away, and they may not make it again.
TEST_F(SqliteStoreOfRoot, LosesNoUpdateOfManyProcessesThatAreAlone) {
  constexpr unsigned kProcesses = 4;
  constexpr unsigned kUpdates = 25;
  create(kEverybody);
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("SELECT count(*) FROM pool");
  ASSERT_NE(::access((path_ + "-wal").c_str(), F_OK), 0);
  std::vector<Child> children;
  for (unsigned i = 0; i < kProcesses; ++i) {
    children.emplace_back([&] {
      if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
      const auto store = open();
      for (unsigned n = 0; n < kUpdates; ++n) add_one(*store);
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_NE(::access((path_ + "-wal").c_str(), F_OK), 0);
  EXPECT_EQ(open()->read().next_arrival, 1 + kProcesses * kUpdates);
  EXPECT_EQ(mode_of("-wal"), 0666U);
}

TEST_F(SqliteStoreOfRoot, WakesOtherUsers) {
  create(kEverybody);
  const Whistle listens;
  const Whistle woken;
  const Child listener([&] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
    const auto changes = open()->subscribe_to_changes();
    listens.blow();
    if (becomes_ready(changes->fd())) woken.blow();
    return 0;
  });
  ASSERT_TRUE(listens.read_report());
  add_one(*open());
  EXPECT_TRUE(woken.read_report());
}

TEST_F(SqliteStoreOfRoot, IsSharedByUsersWhoComeAndGoTogether) {
  create(kEverybody);
  std::vector<Child> children;
  for (const int uid : {0, kNobody, 1234, 0, kNobody, 1234}) {
    children.emplace_back([&, uid] {
      if (::setgid(static_cast<gid_t>(uid)) != 0 || ::setuid(static_cast<uid_t>(uid)) != 0)
        return 1;
      for (int i = 0; i < 30; ++i) add_one(*open());
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(open()->read().next_arrival, 1U + 6 * 30);
}

TEST_F(SqliteStoreOfRoot, RefusesThoseWhoMayNotWriteIt) {
  create();
  const std::string said = run_in_child(
      [&] {
        open();
        return std::string("opened");
      },
      kNobody);
  EXPECT_TRUE(said.starts_with("error 77: cannot write the store '" + path_)) << said;
  EXPECT_NE(said.find("| ask the administrator"), std::string::npos) << said;
}

TEST_F(SqliteStoreOfRoot, RefusesThoseWhoMayNotReachIt) {
  create(kEverybody);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
  const std::string said = run_in_child(
      [&] {
        open();
        return std::string("opened");
      },
      kNobody);
  EXPECT_TRUE(said.starts_with("error 77: cannot reach the store")) << said;
}

TEST_F(SqliteStoreOfRoot, CannotBeMadeAnewByOthers) {
  create(kEverybody)->update([](Pool& pool) { pool.provider = "x"; });
  const std::string said = run_in_child(
      [&] {
        create_sqlite_store(path_, Sharing{0666, -1});
        return std::string("made");
      },
      kNobody);
  EXPECT_TRUE(said.starts_with("error 77: ")) << said;
  EXPECT_EQ(open()->read().provider, "x");
}

}  // namespace
}  // namespace chg
