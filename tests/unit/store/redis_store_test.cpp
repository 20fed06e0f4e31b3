// What the Redis store promises beyond the contract: few bytes, many processes, their deaths, and
// outages.
#include "store/redis/redis_store.h"

#include <chrono>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/schedule.h"
#include "store/redis/redis_pool.h"
#include "store/redis/redis_scripts.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/redis_proxy.h"
#include "support/redis_server.h"
#include "unit/store/add_one.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

const std::string kLock = "canhazgpu:lock";

void add_gpus(Store& store, int count) {
  store.update([&](Pool& pool) {
    pool.provider = "fake";
    for (int i = 0; i < count; ++i) {
      pool.gpus.emplace_back();
      pool.gpus.back().index = i;
    }
  });
}

Instant now() { return SystemClock().now(); }

Request request_for(const std::string& id, int count) {
  Request wanted;
  wanted.id = id;
  wanted.account = {1000, "alice"};
  wanted.count = count;
  wanted.enqueued = wanted.last_heartbeat = now();
  return wanted;
}

void grant_what_fits(Pool& pool) {
  schedule(pool, {now(), [](const auto&) { return Liveness::Alive; }});
}

class RedisStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CHG_REQUIRE_REDIS_SERVER();
    server_ = std::make_unique<RedisServer>(folder_);
    store_ = open();
  }

  std::unique_ptr<Store> open() const { return open_redis_store(server_->url()); }
  RedisReply redis(const std::vector<std::string>& words) const { return server_->command(words); }

  // Until somebody waits for the lock.
  void await_waiter() const {
    RedisConnection connection(server_->address());
    const auto until = steady_clock::now() + milliseconds(kAmpleMs);
    while (connection.command({"INFO", "clients"}).text.find("blocked_clients:1") ==
           std::string::npos) {
      ASSERT_LT(steady_clock::now(), until);
    }
  }

  // What a client sends to the server while `action` goes on; what scripts do inside is not sent.
  std::vector<std::string> sent_by(const std::function<void()>& action) const {
    RedisConnection monitor(server_->address());
    monitor.command({"MONITOR"});
    action();
    redis({"ECHO", "the end"});
    std::vector<std::string> lines;
    while (true) {
      const std::string line = monitor.receive().text;
      if (line.find("\"the end\"") != std::string::npos) return lines;
      if (line.find(" lua]") == std::string::npos) lines.push_back(line.substr(0, 120));
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<RedisServer> server_;
  std::unique_ptr<Store> store_;
};

// Cost.

TEST_F(RedisStoreTest, TakesTwoCommandsForAnUpdate) {
  add_gpus(*store_, 8);
  const auto sent = sent_by([&] {
    store_->update([](Pool& pool) {
      enqueue(pool, request_for("abc", 2));
      grant_what_fits(pool);
    });
  });
  EXPECT_EQ(sent.size(), 2U) << ::testing::PrintToString(sent);
  EXPECT_EQ(store_->read().reservations.size(), 1U);
}

TEST_F(RedisStoreTest, TakesNoMoreThanSixCommandsFromTheFirstConnectionOn) {
  redis({"CONFIG", "SET", "requirepass", "pw"});
  RedisAddress address = server_->address();
  address.password = "pw";
  address.database = 3;
  add_one(*open_redis_store(address));
  RedisConnection monitor(address);
  monitor.command({"MONITOR"});
  add_one(*open_redis_store(address));
  RedisConnection(address).command({"ECHO", "the end"});
  int sent = 0;
  std::string line;
  while ((line = monitor.receive().text).find("\"the end\"") == std::string::npos) {
    if (line.find(" lua]") == std::string::npos) ++sent;
  }
  // AUTH and SELECT of the ECHO are among them.
  EXPECT_LE(sent - 2, 6);
  EXPECT_GE(sent - 2, 2);
}

// News.

class RedisNewsTest : public RedisStoreTest {
 protected:
  void SetUp() override {
    RedisStoreTest::SetUp();
    add_gpus(*store_, 8);
    store_->update([](Pool& pool) {
      enqueue(pool, request_for("first", 1));
      grant_what_fits(pool);
    });
  }

  void queue_up(int count) const {
    store_->update([&](Pool& pool) {
      for (int i = 0; i < count; ++i) enqueue(pool, request_for(fmt::format("{}-{}", count, i), 8));
    });
  }

  // The bytes that pass to and from a client that has read the pool before, for reading it again
  // after `change`.
  std::size_t bytes_for_news(const std::function<void(Pool&)>& change) const {
    const std::string path = folder_.path("counting.sock");
    const RedisProxy proxy(path, server_->socket(), "", RedisProxy::Fate::PassAll);
    const auto reader = open_redis_store("redis+unix://" + path);
    reader->read();
    store_->update(change);
    const std::size_t before = proxy.bytes_passed();
    EXPECT_EQ(reader->read(), store_->read());
    const std::size_t bytes = proxy.bytes_passed() - before;
    ::unlink(path.c_str());
    return bytes;
  }
};

TEST_F(RedisNewsTest, CostTheSameHoweverLongTheQueueIs) {
  const auto beat = [](Pool& pool) { pool.reservations.front().last_heartbeat = now(); };
  queue_up(10);
  const std::size_t few = bytes_for_news(beat);
  queue_up(2000);
  const std::size_t many = bytes_for_news(beat);
  EXPECT_LT(few, 900U);
  EXPECT_LT(many, few + 20);
}

TEST_F(RedisNewsTest, OfAReleaseAreAFewHundredBytes) {
  queue_up(100);
  const std::size_t bytes = bytes_for_news(
      [](Pool& pool) { end_reservation(pool, "first", now(), EndReason::Finished); });
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_LT(bytes, 900U);
}

TEST_F(RedisNewsTest, AreNothingButTheQuestionWhereNothingCame) {
  queue_up(100);
  EXPECT_LT(bytes_for_news([](Pool&) {}), 300U);
}

TEST_F(RedisNewsTest, AreFollowedOverManyChanges) {
  const auto reader = open();
  for (int i = 0; i < 700; ++i) {
    store_->update([&](Pool& pool) { pool.reservations.front().note = std::to_string(i); });
    if (i % 13 != 0 && i != 5) continue;
    ASSERT_EQ(reader->read(), store_->read()) << i;
  }
  EXPECT_EQ(reader->read(), store_->read());
  EXPECT_EQ(reader->read(), open()->read());
}

// After a failover the number of a version may be that of another commit.
TEST_F(RedisNewsTest, OfAnotherHistoryAreNotMistaken) {
  const auto reader = open();
  EXPECT_EQ(reader->read(), store_->read());
  const RedisReply dump = redis({"DUMP", "canhazgpu:pool"});
  const RedisReply log = redis({"DUMP", "canhazgpu:log"});
  store_->update([](Pool& pool) { pool.provider = "lost"; });
  EXPECT_EQ(reader->read().provider, "lost");
  redis({"RESTORE", "canhazgpu:pool", "0", dump.text, "REPLACE"});
  redis({"RESTORE", "canhazgpu:log", "0", log.text, "REPLACE"});
  const auto other = open();
  other->update([](Pool& pool) { pool.admin_group = "instead"; });
  EXPECT_EQ(reader->read(), other->read());
  EXPECT_EQ(reader->read().provider, "fake");
  other->update([](Pool& pool) { pool.admin_group = "again"; });
  store_->update([](Pool& pool) { ++pool.next_arrival; });
  EXPECT_EQ(store_->read().admin_group, "again");
  EXPECT_EQ(reader->read(), store_->read());
}

TEST_F(RedisNewsTest, AreReadAnewWhereTheLogIsGone) {
  const auto reader = open();
  reader->read();
  store_->update([](Pool& pool) { ++pool.next_arrival; });
  redis({"DEL", "canhazgpu:log"});
  EXPECT_EQ(reader->read(), open()->read());
  store_->update([](Pool& pool) { ++pool.next_arrival; });
  EXPECT_EQ(reader->read(), open()->read());
}

TEST_F(RedisNewsTest, OfAHugeChangeAreReadAnew) {
  const auto reader = open();
  reader->read();
  queue_up(5000);
  EXPECT_EQ(reader->read(), open()->read());
  EXPECT_EQ(reader->read().queue.size(), 5000U);
}

// Many processes.

TEST_F(RedisStoreTest, LosesNoUpdateOfManyProcesses) {
  constexpr unsigned kProcesses = 50;
  constexpr unsigned kUpdates = 10;
  std::vector<Child> children;
  for (unsigned i = 0; i < kProcesses; ++i) {
    children.emplace_back([&] {
      const auto own = open();
      for (unsigned n = 0; n < kUpdates; ++n) add_one(*own);
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(store_->read().next_arrival, 1 + kProcesses * kUpdates);
  EXPECT_EQ(store_->history(WallTime::min()).size(), kProcesses * kUpdates);
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
}

// The lock.

TEST_F(RedisStoreTest, FencesOffAHolderThatWasStoppedForTooLong) {
  const Whistle began;
  const Whistle wakes;
  int calls = 0;
  Child late([&] {
    open()->update([&](Pool& pool) {
      if (++calls == 1) {
        began.blow();
        wakes.read_report();
      }
      pool.admin_group = "of the late one, who saw " + pool.provider;
      ++pool.next_arrival;
    });
    return calls;
  });
  ASSERT_TRUE(began.read_report());
  late.stop();
  ASSERT_EQ(redis({"PEXPIRE", kLock, "0"}).integer, 1);  // as time would
  store_->update([&](Pool& pool) {
    const std::string ours = redis({"GET", kLock}).text;
    late.send(SIGCONT);
    wakes.blow();
    // It tries to commit, fails, and waits for the lock.
    await_waiter();
    EXPECT_EQ(redis({"GET", kLock}).text, ours) << "another's lock was freed";
    pool.provider = "new";
    ++pool.next_arrival;
  });
  EXPECT_EQ(WEXITSTATUS(late.wait()), 2) << "how often it made its change";
  const Pool pool = store_->read();
  EXPECT_EQ(pool.admin_group, "of the late one, who saw new");
  EXPECT_EQ(pool.next_arrival, 3U);
}

TEST_F(RedisStoreTest, ExpiresTheLockOfAKilledHolder) {
  const Whistle began;
  Child holder([&] {
    open()->update([&](Pool&) {
      began.blow();
      idle();
    });
    return 0;
  });
  ASSERT_TRUE(began.read_report());
  holder.send(SIGKILL);
  holder.wait();
  const auto left_ms = redis({"PTTL", kLock}).integer;
  EXPECT_GT(left_ms, 5000);
  EXPECT_LE(left_ms, 10'000);
}

TEST_F(RedisStoreTest, WaitsForALockWhoseEndNobodyTells) {
  redis({"SET", kLock, "locked"});
  std::thread other([&] {
    // Until somebody waits for it.
    await_waiter();
    redis({"DEL", kLock});
  });
  add_one(*store_);
  other.join();
}

TEST_F(RedisStoreTest, IsWokenByOurOwnUnlocking) {
  const Whistle began;
  Child holder([&] {
    open()->update([&](Pool& pool) {
      began.blow();
      await_waiter();
      ++pool.next_arrival;
    });
    return 0;
  });
  ASSERT_TRUE(began.read_report());
  add_one(*store_);
  EXPECT_EQ(store_->read().next_arrival, 3U);
}

TEST_F(RedisStoreTest, NamesWhoHoldsTheLockForTooLong) {
  redis({"SET", kLock, "locked"});
  const Error error = error_of([&] { add_one(*store_); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("is locked for 12s"), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("another program holds it"), std::string::npos) << error.hint();
  EXPECT_EQ(redis({"GET", kLock}).text, "locked");
}

TEST_F(RedisStoreTest, LetsTheLockGoWhenAChangeThrowsOrChangesNothing) {
  error_of([&] { store_->update([](Pool&) { throw Error(ErrorKind::Usage, "no"); }); });
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
  store_->update([](Pool&) {});
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
}

TEST_F(RedisStoreTest, LetsTheLockGoWhenThePoolCannotBeRead) {
  add_gpus(*store_, 1);
  redis({"HSET", "canhazgpu:pool", "reservation:x", "nonsense"});
  redis({"HINCRBY", "canhazgpu:pool", "other", "1"});
  expect_error(ErrorKind::Failed, "damaged", [&] { add_one(*open()); });
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
  redis({"HDEL", "canhazgpu:pool", "reservation:x"});
  add_one(*open());
}

TEST_F(RedisStoreTest, ReadsAnewWhatALogHadDamaged) {
  add_gpus(*store_, 1);
  store_->read();
  open()->update([](Pool& pool) { ++pool.next_arrival; });
  const std::string version = redis({"HGET", "canhazgpu:pool", "version"}).text;
  const std::string commit = version.substr(version.find(' ') + 1);
  redis({"XADD", "canhazgpu:log", "3-0", "after", commit, "commit", "abc", "=reservation:x", "?"});
  redis({"HSET", "canhazgpu:pool", "version", "3 abc"});
  expect_error(ErrorKind::Failed, "damaged", [&] { store_->read(); });
  EXPECT_EQ(store_->read(), open()->read()) << "the hash itself is whole";
}

TEST_F(RedisStoreTest, WritesNothingWhereAnEventCannotBeKept) {
  add_gpus(*store_, 1);
  store_->update([](Pool& pool) {
    enqueue(pool, request_for("abc", 1));
    grant_what_fits(pool);
  });
  const Pool before = store_->read();
  redis({"SET", "canhazgpu:events", "none"});
  const auto end = [](Pool& pool) { end_reservation(pool, "abc", now(), EndReason::Finished); };
  expect_error(ErrorKind::Failed, "something else under a key", [&] { store_->update(end); });
  EXPECT_EQ(open()->read(), before);
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
  redis({"DEL", "canhazgpu:events"});
  store_->update(end);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 1U);
}

TEST_F(RedisStoreTest, LeavesNothingBehindThatGrows) {
  for (int i = 0; i < 600; ++i) store_->update([&](Pool& pool) { ++pool.next_arrival; });
  EXPECT_LE(redis({"XLEN", "canhazgpu:log"}).integer, 400);
  EXPECT_LE(redis({"LLEN", "canhazgpu:unlocked"}).integer, 1);
  EXPECT_GT(redis({"PTTL", "canhazgpu:unlocked"}).integer, 0);
}

// Replies that are lost on the way.

// A server that does not know the script yet has to be asked twice anyway.
TEST_F(RedisStoreTest, CommitsOnceWhenTheReplyIsLost) {
  add_one(*store_);
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(), std::string(redis_scripts::kCommit.sha1),
                         RedisProxy::Fate::LoseReply);
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_EQ(store_->read().next_arrival, 3U);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 2U);
}

TEST_F(RedisStoreTest, CommitsOnceWhenTheCommandIsLost) {
  add_one(*store_);
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(), std::string(redis_scripts::kCommit.sha1),
                         RedisProxy::Fate::LoseCommand);
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_EQ(store_->read().next_arrival, 3U);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 2U);
}

TEST_F(RedisStoreTest, KeepsTheLockThatItHasWhenTheReplyIsLost) {
  add_one(*store_);
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(), std::string(redis_scripts::kLoad.sha1),
                         RedisProxy::Fate::LoseReply);
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_EQ(redis({"INFO", "commandstats"}).text.find("cmdstat_blpop"), std::string::npos)
      << "it waited for its own lock";
  EXPECT_EQ(store_->read().next_arrival, 3U);
}

// Outages.

TEST_F(RedisStoreTest, GoesOnWithAServerThatWasRestarted) {
  add_one(*store_);
  server_->kill();
  const Error away = error_of([&] { add_one(*store_); });
  EXPECT_TRUE(away.is_transient());
  EXPECT_NE(away.hint(), "");
  ::unlink(server_->socket().c_str());
  server_->start();
  EXPECT_EQ(store_->read(), Pool{}) << "it keeps nothing on disk";
  add_one(*store_);
  EXPECT_EQ(open()->read().next_arrival, 2U);
}

TEST_F(RedisStoreTest, TellsAServerThatWasRestartedFromTheOneBefore) {
  add_one(*store_);
  const std::string before = store_->server();
  EXPECT_NE(before, "");
  add_one(*store_);
  EXPECT_EQ(store_->server(), before);
  EXPECT_EQ(open()->server(), "") << "nothing was asked";
  server_->kill();
  ::unlink(server_->socket().c_str());
  server_->start();
  add_one(*store_);
  EXPECT_NE(store_->server(), before);
  EXPECT_NE(store_->server(), "");
}

TEST_F(RedisStoreTest, DoesWithoutTheServersNameWhereItMayNotAsk) {
  redis({"ACL", "SETUSER", "default", "-info"});
  add_one(*store_);
  EXPECT_EQ(store_->server(), "");
  redis({"ACL", "SETUSER", "default", "+info"});
}

TEST_F(RedisStoreTest, KeepsWhatTheServerKept) {
  const TemporaryFolder folder;
  RedisServer server(folder,
                     {"--appendonly", "yes", "--appendfsync", "always", "--dir", folder.path()});
  const auto store = open_redis_store(server.url());
  store->update([](Pool& pool) { pool = full_pool(); });
  server.kill();
  ::unlink(server.socket().c_str());
  server.start();
  EXPECT_EQ(store->read(), full_pool());
}

TEST_F(RedisStoreTest, BeginsAnewWhenTheServerForgotItsDataDuringAChange) {
  add_one(*store_);
  int calls = 0;
  store_->update([&](Pool& pool) {
    if (++calls == 1) redis({"FLUSHALL"});
    ++pool.next_arrival;
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(store_->read().next_arrival, 2U);
}

TEST_F(RedisStoreTest, FailsWithinItsTimeoutWhenTheServerIsStopped) {
  add_one(*store_);
  server_->stop();
  const Error error = error_of([&] { store_->read(); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("did not answer within 5s"), std::string::npos);
  server_->go_on();
  EXPECT_EQ(store_->read().next_arrival, 2U);
}

TEST_F(RedisStoreTest, ReadsFromAReplicaAndSaysThatItCannotWrite) {
  add_one(*store_);
  redis({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
  EXPECT_EQ(store_->read().next_arrival, 2U);
  const Error error = error_of([&] { add_one(*store_); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("read-only replica"), std::string::npos);
  redis({"REPLICAOF", "NO", "ONE"});
  add_one(*store_);
}

TEST_F(RedisStoreTest, WritesNothingWithoutMemory) {
  store_->update([](Pool& pool) { pool = full_pool(); });
  const auto spoil = [&] {
    store_->update([&](Pool& pool) {
      redis({"CONFIG", "SET", "maxmemory", "1"});
      pool.provider = "half";
      pool.reservations.clear();
      pool.events.push_back(usage_event("r", 0, 1));
    });
  };
  const Error error = error_of(spoil);
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("no memory"), std::string::npos) << error.what();
  EXPECT_EQ(store_->read(), full_pool());
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
  expect_error(ErrorKind::Failed, "no memory", [&] { add_one(*store_); });
  redis({"CONFIG", "SET", "maxmemory", "0"});
  add_one(*store_);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 1U);
}

TEST_F(RedisStoreTest, GivesBackWithoutMemory) {
  add_gpus(*store_, 2);
  store_->update([](Pool& pool) {
    enqueue(pool, request_for("abc", 2));
    enqueue(pool, request_for("next", 1));
    grant_what_fits(pool);
  });
  redis({"CONFIG", "SET", "maxmemory", "1"});
  expect_error(ErrorKind::Failed, "no memory",
               [&] { store_->update([](Pool& pool) { enqueue(pool, request_for("new", 1)); }); });
  store_->update([](Pool& pool) { pool.reservations.front().last_heartbeat = now(); });
  store_->update([](Pool& pool) {
    end_reservation(pool, "abc", now(), EndReason::Released);
    grant_what_fits(pool);
  });
  const Pool pool = store_->read();
  ASSERT_EQ(pool.reservations.size(), 1U);
  EXPECT_EQ(pool.reservations.front().id, "next") << "who waited already takes nothing new";
  EXPECT_TRUE(pool.queue.empty());
  EXPECT_EQ(store_->history(WallTime::min()).size(), 2U);
}

TEST_F(RedisStoreTest, WaitsForTheReplicasWhereSomebodyBeginsToRelyOnThem) {
  add_gpus(*store_, 1);
  RedisAddress address = server_->address();
  address.replicas = 1;
  const auto careful = open_redis_store(address);
  careful->update([](Pool& pool) {
    enqueue(pool, request_for("abc", 1));
    grant_what_fits(pool);
  });
  const auto begin = [](Pool& pool) {
    pool.reservations.front().supervisor = ProcessIdentity{"h", "b", 1, 2, 3};
  };
  const Error error = error_of([&] { careful->update(begin); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("only 0 of 1 replicas"), std::string::npos);
  EXPECT_TRUE(store_->read().reservations.front().supervisor) << "it is made all the same";
  store_->update([](Pool& pool) { pool.reservations.front().supervisor.reset(); });
  store_->update(begin);
}

TEST_F(RedisStoreTest, WritesNothingWithoutTheRightsToAllOfIt) {
  store_->update([](Pool& pool) { pool = full_pool(); });
  redis({"ACL", "SETUSER", "half", "on", ">pw", "+@all", "&*", "%R~*", "~canhazgpu:lock",
         "~canhazgpu:unlocked", "~canhazgpu:pool", "~canhazgpu:log"});
  RedisAddress address = server_->address();
  address.username = "half";
  address.password = "pw";
  const auto half = open_redis_store(address);
  EXPECT_EQ(half->read(), full_pool());
  const Error error = error_of([&] { add_one(*half); });
  EXPECT_EQ(error.kind(), ErrorKind::NotPermitted) << error.what();
  EXPECT_EQ(store_->read(), full_pool());
  redis({"ACL", "SETUSER", "silent", "on", ">pw", "+@all", "~*", "resetchannels"});
  address.username = "silent";
  expect_error(ErrorKind::NotPermitted, "does not permit it",
               [&] { add_one(*open_redis_store(address)); });
  EXPECT_EQ(store_->read(), full_pool());
}

TEST_F(RedisStoreTest, SubscriptionFollowsARestartedServer) {
  const auto changes = store_->subscribe_to_changes();
  EXPECT_FALSE(is_ready(changes->fd()));
  server_->kill();
  EXPECT_TRUE(becomes_ready(changes->fd()));
  EXPECT_TRUE(error_of([&] { changes->renew(); }).is_transient());
  EXPECT_TRUE(is_ready(changes->fd())) << "until it is renewed";
  ::unlink(server_->socket().c_str());
  server_->start();
  changes->renew();
  EXPECT_FALSE(is_ready(changes->fd()));
  add_one(*store_);
  EXPECT_TRUE(becomes_ready(changes->fd()));
}

// Where it is.

TEST_F(RedisStoreTest, SaysWhereItIsWithoutThePassword) {
  EXPECT_EQ(open_redis_store("redis://al:secret@h:1/2")->location(), "redis://al@h:1/2");
}

TEST_F(RedisStoreTest, KeepsPoolsOfDifferentPrefixesApart) {
  const auto other = open_redis_store(server_->url() + "?prefix=other");
  add_one(*store_);
  const auto changes = store_->subscribe_to_changes();
  EXPECT_EQ(other->read(), Pool{});
  add_one(*other);
  add_one(*other);
  EXPECT_FALSE(is_ready(changes->fd()));
  EXPECT_EQ(store_->read().next_arrival, 2U);
  EXPECT_EQ(other->read().next_arrival, 3U);
}

// Several hosts in one Redis.

TEST_F(RedisStoreTest, RegistersTheHostOfAPoolWithEachReservation) {
  store_->update([](Pool& pool) { pool.gpus.resize(1); });
  EXPECT_TRUE(redis({"HGETALL", kRedisHosts}).elements.empty());
  store_->update([](Pool& pool) { pool.host = {"alpha", "boot"}; });
  EXPECT_EQ(registered_prefix(redis({"HGET", kRedisHosts, "alpha"}).text), "canhazgpu");
  redis({"DEL", kRedisHosts});
  store_->update([](Pool& pool) { ++pool.next_arrival; });
  EXPECT_EQ(redis({"HEXISTS", kRedisHosts, "alpha"}).integer, 1);
}

TEST_F(RedisStoreTest, ReservesAllTheSameWhereHostsCanNotBeRegistered) {
  redis({"SET", kRedisHosts, "no hash"});
  store_->update([](Pool& pool) { pool.host = {"alpha", "boot"}; });
  EXPECT_EQ(store_->read().host.name, "alpha");
}

TEST_F(RedisStoreTest, FindsThePoolsOfOtherHostsWithACommandEach) {
  for (const char* host : {"beta", "alpha", "here"}) {
    RedisAddress address = server_->address();
    if (host != std::string("here")) address.prefix = std::string("of-") + host;
    open_redis_store(address)->update([&](Pool& pool) {
      pool.host = {host, "boot"};
      pool.provider = host;
    });
  }
  redis({"HSET", kRedisHosts, "junk", "{}"});
  store_->read();
  std::string seen;
  const auto sent = sent_by([&] {
    for (const Neighbour& one : store_->neighbours()) {
      seen += one.host + "=" + one.store->read().provider + " ";
    }
  });
  EXPECT_EQ(seen, "alpha=alpha beta=beta ");
  EXPECT_EQ(sent.size(), 3U) << fmt::format("{}", fmt::join(sent, "\n"));
}

TEST_F(RedisStoreTest, NeighboursAreReadAgainAfterAnOutage) {
  RedisAddress address = server_->address();
  address.prefix = "of-alpha";
  const auto fill = [&] {
    open_redis_store(address)->update([](Pool& pool) { pool.host = {"alpha", "boot"}; });
  };
  fill();
  const std::vector<Neighbour> found = store_->neighbours();
  ASSERT_EQ(found.size(), 1U);
  server_->kill();
  server_->start();
  fill();
  EXPECT_EQ(found[0].store->read().host.name, "alpha");
  EXPECT_EQ(store_->read(), Pool{});
}

}  // namespace
}  // namespace chg
