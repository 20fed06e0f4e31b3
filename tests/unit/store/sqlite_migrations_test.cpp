// Stores of earlier versions, as those wrote them, are read and go on.
#include "store/sqlite/sqlite_migrations.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include "store/sqlite/sqlite_store.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

using std::chrono::nanoseconds;

constexpr const char* kVersion1 = R"sql(
CREATE TABLE host (one INTEGER PRIMARY KEY CHECK (one = 1), provider TEXT NOT NULL,
  admin_group TEXT NOT NULL, creator_uid INTEGER NOT NULL, next_arrival INTEGER NOT NULL);
CREATE TABLE gpu (gpu INTEGER PRIMARY KEY, uuid TEXT NOT NULL, model TEXT NOT NULL,
  out_of_service TEXT, last_released TEXT, obstacle TEXT, obstacle_seen TEXT, obstacle_what TEXT,
  obstacle_uids TEXT, last_used_by TEXT NOT NULL);
CREATE TABLE reservation (id TEXT PRIMARY KEY, uid INTEGER NOT NULL, account TEXT NOT NULL,
  label TEXT NOT NULL, note TEXT NOT NULL, kind TEXT NOT NULL, gpus TEXT NOT NULL,
  started TEXT NOT NULL, last_heartbeat TEXT NOT NULL, ends INTEGER, holder TEXT, supervisor TEXT,
  leftovers TEXT NOT NULL, ending TEXT) WITHOUT ROWID;
CREATE TABLE request (id TEXT PRIMARY KEY, arrival INTEGER NOT NULL UNIQUE, uid INTEGER NOT NULL,
  account TEXT NOT NULL, label TEXT NOT NULL, note TEXT NOT NULL, kind TEXT NOT NULL,
  count INTEGER NOT NULL, gpus TEXT NOT NULL, forced INTEGER NOT NULL, duration INTEGER,
  enqueued TEXT NOT NULL, last_heartbeat TEXT NOT NULL, waiter TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE usage (reservation TEXT NOT NULL, gpu INTEGER NOT NULL, uid INTEGER NOT NULL,
  account TEXT NOT NULL, label TEXT NOT NULL, kind TEXT NOT NULL, started INTEGER NOT NULL,
  ended INTEGER NOT NULL, how TEXT NOT NULL);
CREATE INDEX usage_by_end ON usage (ended);
INSERT INTO host VALUES (1, 'nvidia', 'gpuadmin', 4000000000, 8);
INSERT INTO gpu VALUES (0, 'GPU-0', 'H100', NULL, NULL, NULL, NULL, NULL, NULL, '');
INSERT INTO gpu VALUES (2, 'GPU-2', 'H100', '', '5 6 boot-1', 'unreserved_use', '7 8 boot-1',
  'by "bob"', '1000,1001', '1000:9 1001:10');
INSERT INTO gpu VALUES (10, 'GPU-10', 'H100', 'fan', NULL, 'error', '7 8 boot-1', '', '', '');
INSERT INTO reservation VALUES ('bare', 1000, 'alice', '', '', 'manual', '0', '1 2 boot-1',
  '3 4 boot-1', 9223372036854775807, NULL, NULL, '', NULL);
INSERT INTO reservation VALUES ('full', 1001, 'bob', 'it''s me', 'note "1"', 'run', '2,10',
  '1 2 boot-1', '3 4 boot-1', NULL, '11 12 13 boot-1 h', '14 15 16 boot-1 h',
  '17 18 19 boot-1 h' || char(10) || '20 21 22 boot-1 h' || char(10), 'killed');
INSERT INTO request VALUES ('last', 7, 1000, 'alice', 'me', 'why', 'manual', 2, '0,2', 1, 60,
  '1 2 boot-1', '3 4 boot-1', '23 24 25 boot-1 h');
INSERT INTO request VALUES ('new', 3, 1000, 'alice', '', '', 'run', 1, '', 0, NULL, '1 2 boot-1',
  '3 4 boot-1', '26 27 28 boot-1 h');
INSERT INTO usage VALUES ('old', 2, 1000, 'alice', '', 'run', 1, 2, 'finished');
PRAGMA user_version = 1;
)sql";

Instant instant(int wall, int boot) {
  return {WallTime(nanoseconds(wall)), nanoseconds(boot), "boot-1"};
}

ProcessIdentity process(int pid) {
  ProcessIdentity one;
  one.pid = pid;
  one.start_ticks = static_cast<std::uint64_t>(pid) + 1;
  one.pid_namespace = static_cast<std::uint64_t>(pid) + 2;
  one.boot_id = "boot-1";
  one.host = "h";
  return one;
}

// What is in kVersion1.
Pool first_pool() {
  Pool pool;
  pool.provider = "nvidia";
  pool.admin_group = "gpuadmin";
  pool.creator_uid = 4'000'000'000U;
  pool.next_arrival = 8;
  pool.gpus.resize(3);
  const int indices[] = {0, 2, 10};
  for (std::size_t i = 0; i < 3; ++i) {
    pool.gpus[i].index = indices[i];
    pool.gpus[i].uuid = "GPU-" + std::to_string(indices[i]);
    pool.gpus[i].model = "H100";
  }
  pool.gpus[1].out_of_service = "";
  pool.gpus[1].last_released = instant(5, 6);
  pool.gpus[1].unavailable = Unavailability{
      Unavailability::Kind::UnreservedUse, instant(7, 8), "by \"bob\"", {1000, 1001}};
  pool.gpus[1].last_used_by_uid = {{1000, WallTime(nanoseconds(9))},
                                   {1001, WallTime(nanoseconds(10))}};
  pool.gpus[2].out_of_service = "fan";
  pool.gpus[2].unavailable = Unavailability{Unavailability::Kind::Error, instant(7, 8), "", {}};
  Reservation bare;
  bare.id = "bare";
  bare.account = {1000, "alice"};
  bare.kind = ReservationKind::Manual;
  bare.gpus = {0};
  bare.started = instant(1, 2);
  bare.last_heartbeat = instant(3, 4);
  bare.ends = WallTime(nanoseconds(std::numeric_limits<std::int64_t>::max()));
  Reservation full = bare;
  full.id = "full";
  full.account = {1001, "bob"};
  full.label = "it's me";
  full.note = "note \"1\"";
  full.kind = ReservationKind::Run;
  full.gpus = {2, 10};
  full.ends.reset();
  full.holder = process(11);
  full.supervisor = process(14);
  full.leftovers = {process(17), process(20)};
  full.ending = EndReason::Killed;
  pool.reservations = {bare, full};
  Request fresh;
  fresh.id = "new";
  fresh.arrival = 3;
  fresh.account = {1000, "alice"};
  fresh.enqueued = instant(1, 2);
  fresh.last_heartbeat = instant(3, 4);
  fresh.waiter = process(26);
  Request last = fresh;
  last.id = "last";
  last.arrival = 7;
  last.label = "me";
  last.note = "why";
  last.kind = ReservationKind::Manual;
  last.count = 2;
  last.gpu_ids = {0, 2};
  last.force = true;
  last.duration = nanoseconds(60);
  last.waiter = process(23);
  pool.queue = {fresh, last};
  return pool;
}

class SqliteMigrations : public ::testing::Test {
 protected:
  SqliteMigrations() {
    create_sqlite_store(path_, Sharing{});
    database().exec("DROP TABLE pool; DROP TABLE usage");
    database().exec(kVersion1);
  }

  SQLite::Database database() const { return {path_, SQLite::OPEN_READWRITE}; }

  // Reads it twice: the second time it is of this version.
  void expect(const Pool& pool) const {
    for (int time = 0; time < 2; ++time) {
      const auto store = open_sqlite_store(path_);
      EXPECT_EQ(store->read(), pool);
      EXPECT_EQ(store->history(WallTime::min()).size(), 1U);
    }
    EXPECT_EQ(database().execAndGet("SELECT group_concat(name) FROM sqlite_master").getString(),
              "usage,usage_by_end,pool");
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.path("pool.db");
};

TEST_F(SqliteMigrations, FromTheFirstVersion) { expect(first_pool()); }

TEST_F(SqliteMigrations, FromTheSecondVersionWithLostGpusAndCancelledRequests) {
  database().exec(sqlite_migrations::kToVersion2);
  database().exec(
      "UPDATE reservation SET lost = '2,10' WHERE id = 'full';"
      "INSERT INTO cancelled VALUES ('b', '11 12 13 boot-1 h', '1 2 boot-1');"
      "INSERT INTO cancelled VALUES ('a', '14 15 16 boot-1 h', '3 4 boot-1')");
  Pool pool = first_pool();
  pool.reservations[1].lost = {2, 10};
  pool.cancelled = {{"b", process(11), instant(1, 2)}, {"a", process(14), instant(3, 4)}};
  expect(pool);
}

TEST_F(SqliteMigrations, FromTheThirdVersionWithTheHost) {
  database().exec(sqlite_migrations::kToVersion2);
  database().exec(sqlite_migrations::kToVersion3);
  database().exec("UPDATE host SET name = 'gpu server', boot_id = 'boot-7'");
  Pool pool = first_pool();
  pool.host = {"gpu server", "boot-7"};
  expect(pool);
}

TEST_F(SqliteMigrations, OfAnEmptyPool) {
  database().exec(
      "DELETE FROM host; DELETE FROM gpu; DELETE FROM reservation; DELETE FROM request");
  expect(Pool{});
}

}  // namespace
}  // namespace chg
