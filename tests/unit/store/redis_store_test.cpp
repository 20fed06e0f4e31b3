// What the Redis store promises beyond the contract: many processes, their deaths, outages, and the
// Go program beside it.
#include "store/redis/redis_store.h"

#include <chrono>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/schedule.h"
#include "store/redis/redis_codec.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/redis_proxy.h"
#include "support/redis_server.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

const std::string kLock = "canhazgpu:allocation_lock";

void add_one(Store& store) {
  store.update([](Pool& pool) {
    pool.ended.push_back(usage_record(std::to_string(pool.next_arrival), 0, 1));
    ++pool.next_arrival;
  });
}

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
  schedule(pool, {now(), [](const auto&) { return Liveness::Alive; }, Settings{}});
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

TEST_F(RedisStoreTest, StaysWholeWhenAWriterIsKilledAtAnyMoment) {
  for (int round = 0; round < 20; ++round) {
    const Whistle wrote;
    Child writer([&] {
      const auto own = open();
      for (int i = 0;; ++i) {
        add_one(*own);
        if (i == 0) wrote.blow();
      }
      return 0;
    });
    ASSERT_TRUE(wrote.read_report());
    writer.send(SIGKILL);
    writer.wait();
    redis({"PEXPIRE", kLock, "0"});  // as its expiry would
    add_one(*store_);
    ASSERT_EQ(store_->history(WallTime::min()).size() + 1, store_->read().next_arrival);
  }
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

TEST_F(RedisStoreTest, WaitsForTheLockOfTheGoProgramWhichTellsNobody) {
  redis({"SET", kLock, "locked", "NX", "EX", "10"});
  std::thread go([&] {
    // Until somebody waits for it.
    await_waiter();
    redis({"DEL", kLock});
  });
  const auto begin = steady_clock::now();
  add_one(*store_);
  EXPECT_LT(steady_clock::now() - begin, seconds(5));
  go.join();
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
  EXPECT_TRUE(error.is_passing());
  EXPECT_NE(std::string(error.what()).find("is locked for 12s"), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("the Go canhazgpu"), std::string::npos) << error.hint();
  EXPECT_EQ(redis({"GET", kLock}).text, "locked");
}

TEST_F(RedisStoreTest, LetsTheLockGoWhenAChangeThrowsOrChangesNothing) {
  error_of([&] { store_->update([](Pool&) { throw Error(ErrorKind::Usage, "no"); }); });
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
  store_->update([](Pool&) {});
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
}

TEST_F(RedisStoreTest, LeavesNothingBehindThatGrows) {
  for (int i = 0; i < 20; ++i) store_->update([&](Pool& pool) { ++pool.next_arrival; });
  EXPECT_LE(redis({"LLEN", "canhazgpu:unlocked"}).integer, 1);
  EXPECT_GT(redis({"PTTL", "canhazgpu:unlocked"}).integer, 0);
  const RedisReply commits = redis({"KEYS", "canhazgpu:commit:*"});
  EXPECT_EQ(commits.elements.size(), 20U);
  for (const RedisReply& key : commits.elements) {
    EXPECT_GT(redis({"PTTL", key.text}).integer, 0);
  }
  add_one(*store_);
  EXPECT_GT(redis({"TTL", "canhazgpu:usage_history_sorted"}).integer, 7'700'000);
}

// Replies that are lost on the way.

TEST_F(RedisStoreTest, CommitsOnceWhenTheReplyIsLost) {
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(), "canhazgpu:commit:", RedisProxy::Fate::LoseReply);
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_EQ(store_->read().next_arrival, 2U);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 1U);
}

TEST_F(RedisStoreTest, CommitsOnceWhenTheCommandIsLost) {
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(),
                         "canhazgpu:commit:", RedisProxy::Fate::LoseCommand);
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_EQ(store_->read().next_arrival, 2U);
  EXPECT_EQ(store_->history(WallTime::min()).size(), 1U);
}

TEST_F(RedisStoreTest, KeepsTheLockThatItHasWhenTheReplyIsLost) {
  const std::string path = folder_.path("proxy.sock");
  const RedisProxy proxy(path, server_->socket(), "'locked'", RedisProxy::Fate::LoseReply);
  const auto begin = steady_clock::now();
  add_one(*open_redis_store("redis+unix://" + path));
  EXPECT_EQ(proxy.lost(), 1);
  EXPECT_LT(steady_clock::now() - begin, seconds(5)) << "it waited for its own lock";
  EXPECT_EQ(store_->read().next_arrival, 2U);
}

// Outages.

TEST_F(RedisStoreTest, GoesOnWithAServerThatWasRestarted) {
  add_one(*store_);
  server_->kill();
  const Error away = error_of([&] { add_one(*store_); });
  EXPECT_TRUE(away.is_passing());
  EXPECT_NE(away.hint(), "");
  ::unlink(server_->socket().c_str());
  server_->start();
  EXPECT_EQ(store_->read(), Pool{}) << "it keeps nothing on disk";
  add_one(*store_);
  EXPECT_EQ(open()->read().next_arrival, 2U);
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

TEST_F(RedisStoreTest, FailsWithinItsDeadlineWhenTheServerIsStopped) {
  add_one(*store_);
  server_->stop();
  const auto begin = steady_clock::now();
  const Error error = error_of([&] { store_->read(); });
  EXPECT_LT(steady_clock::now() - begin, seconds(8));
  EXPECT_TRUE(error.is_passing());
  EXPECT_NE(std::string(error.what()).find("did not answer within 5s"), std::string::npos);
  server_->go_on();
  EXPECT_EQ(store_->read().next_arrival, 2U);
}

TEST_F(RedisStoreTest, ReadsFromAReplicaAndSaysThatItCannotWrite) {
  add_one(*store_);
  redis({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
  EXPECT_EQ(store_->read().next_arrival, 2U);
  const Error error = error_of([&] { add_one(*store_); });
  EXPECT_TRUE(error.is_passing());
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
      pool.ended.push_back(usage_record("r", 0, 1));
    });
  };
  const Error error = error_of(spoil);
  EXPECT_TRUE(error.is_passing());
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
  EXPECT_TRUE(error.is_passing());
  EXPECT_NE(std::string(error.what()).find("only 0 of 1 replicas"), std::string::npos);
  EXPECT_TRUE(store_->read().reservations.front().supervisor) << "it is made all the same";
  store_->update([](Pool& pool) { pool.reservations.front().supervisor.reset(); });
  store_->update(begin);
}

TEST_F(RedisStoreTest, WritesNothingWithoutTheRightsToAllOfIt) {
  store_->update([](Pool& pool) { pool = full_pool(); });
  redis({"ACL", "SETUSER", "half", "on", ">pw", "+@all", "&*", "%R~*", "~canhazgpu:allocation_lock",
         "~canhazgpu:c*", "~canhazgpu:u*", "~canhazgpu:host", "~canhazgpu:provider"});
  RedisAddress address = server_->address();
  address.username = "half";
  address.password = "pw";
  const auto half = open_redis_store(address);
  half->update([](Pool& pool) { pool.provider = "may be written"; });
  Pool expected = full_pool();
  expected.provider = "may be written";
  const Error error = error_of([&] {
    half->update([](Pool& pool) {
      pool.provider = "with a queue that may not";
      pool.queue.clear();
    });
  });
  EXPECT_EQ(error.kind(), ErrorKind::NotPermitted) << error.what();
  EXPECT_EQ(store_->read(), expected);
  redis({"ACL", "SETUSER", "silent", "on", ">pw", "+@all", "~*", "resetchannels"});
  address.username = "silent";
  expect_error(ErrorKind::NotPermitted, "does not permit it",
               [&] { add_one(*open_redis_store(address)); });
  EXPECT_EQ(store_->read(), expected);
}

TEST_F(RedisStoreTest, SubscriptionFollowsARestartedServer) {
  const auto changes = store_->subscribe_to_changes();
  EXPECT_FALSE(is_ready(changes->fd()));
  server_->kill();
  EXPECT_TRUE(becomes_ready(changes->fd()));
  EXPECT_TRUE(error_of([&] { changes->renew(); }).is_passing());
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

// The Go program beside it.

TEST_F(RedisStoreTest, NoticesAGoChangeThatWasMadeWithoutTheLock) {
  add_gpus(*store_, 1);
  int calls = 0;
  store_->update([&](Pool& pool) {
    if (++calls == 1) {
      redis({"SET", "canhazgpu:gpu:0",
             R"({"type":"run","user":"bob","actual_user":"bob","start_time":1795526708,)"
             R"("last_heartbeat":1795526708})"});
    }
    enqueue(pool, request_for("abc", 1));
    grant_what_fits(pool);
  });
  EXPECT_EQ(calls, 2);
  const Pool pool = store_->read();
  ASSERT_EQ(pool.reservations.size(), 1U);
  EXPECT_EQ(pool.reservations[0].account.name, "bob");
  EXPECT_EQ(pool.queue.size(), 1U);
  EXPECT_TRUE(redis({"GET", kLock}).is_nil());
}

TEST_F(RedisStoreTest, WakesWhoWaitsWhileTheGoProgramHasAPart) {
  add_gpus(*store_, 1);
  redis({"SET", "canhazgpu:gpu:0", R"({"type":"run","user":"bob","start_time":1795526708})"});
  const auto changes = store_->subscribe_to_changes();
  const auto granted = store_->subscribe_to("abc");
  changes->renew();
  EXPECT_EQ(store_->read().reservations.size(), 1U);
  EXPECT_FALSE(is_ready(changes->fd()));
  EXPECT_TRUE(becomes_ready(changes->fd(), 5000)) << "though nobody publishes anything";
  EXPECT_FALSE(is_ready(granted->fd()));
  redis({"DEL", "canhazgpu:gpu:0"});
  changes->renew();
  EXPECT_TRUE(store_->read().reservations.empty());
  EXPECT_FALSE(becomes_ready(changes->fd(), 2700)) << "no part, no alarm";
}

// What the Go program does to get one GPU and give it back, as far as its keys go.
class GoProgram {
 public:
  GoProgram(const RedisServer& server, std::string user)
      : redis_(server.address()), user_(std::move(user)) {}

  std::optional<int> take(int gpus) {
    if (redis_.command({"SET", kLock, "locked", "NX", "EX", "10"}).is_nil()) return std::nullopt;
    std::optional<int> taken;
    for (int gpu = 0; gpu < gpus && !taken; ++gpu) {
      const std::string value = redis_.command({"GET", key(gpu)}).text;
      if (value.find("\"user\"") == std::string::npos) taken = gpu;
    }
    if (taken) {
      const std::string time = std::to_string(std::time(nullptr));
      redis_.command({"SET", key(*taken),
                      R"({"type":"run","user":")" + user_ + R"(","actual_user":")" + user_ +
                          R"(","start_time":)" + time + R"(,"last_heartbeat":)" + time + "}"});
    }
    redis_.command({"DEL", kLock});
    return taken;
  }

  void give_back(int gpu) {
    redis_.command({"SET", key(gpu), R"({"last_released":"2026-11-24T13:24:28.259536358Z"})"});
  }

 private:
  static std::string key(int gpu) { return "canhazgpu:gpu:" + std::to_string(gpu); }

  RedisConnection redis_;
  std::string user_;
};

TEST_F(RedisStoreTest, NeverGivesAGpuOutTwiceBesideTheGoProgram) {
  constexpr int kGpus = 3;
  add_gpus(*store_, kGpus);
  std::array<std::atomic<int>, kGpus> users{};
  std::atomic<int> doubles = 0;
  std::atomic<int> ours = 0;
  std::atomic<int> theirs = 0;
  const auto use = [&](int gpu, std::atomic<int>& count) {
    if (users[static_cast<std::size_t>(gpu)].fetch_add(1) != 0) ++doubles;
    ++count;
    std::this_thread::yield();
    users[static_cast<std::size_t>(gpu)].fetch_sub(1);
  };
  const auto until = steady_clock::now() + seconds(3);
  std::vector<std::thread> threads;
  for (int n = 0; n < 2; ++n) {
    threads.emplace_back([&, n] {
      GoProgram go(*server_, "go-user-" + std::to_string(n));
      while (steady_clock::now() < until) {
        if (const auto gpu = go.take(kGpus)) {
          use(*gpu, theirs);
          go.give_back(*gpu);
        } else {
          std::this_thread::sleep_for(milliseconds(5));  // it polls, too
        }
      }
    });
    threads.emplace_back([&, n] {
      const auto own = open();
      for (int i = 0; steady_clock::now() < until; ++i) {
        const std::string id = "our-" + std::to_string(n) + "-" + std::to_string(i);
        std::vector<int> gpus;
        own->update([&](Pool& pool) {
          enqueue(pool, request_for(id, 1));
          grant_what_fits(pool);
          std::erase_if(pool.queue, [&](const Request& other) { return other.id == id; });
          const Reservation* reservation = find_reservation(pool, id);
          gpus = reservation == nullptr ? std::vector<int>{} : reservation->gpus;
        });
        for (const int gpu : gpus) use(gpu, ours);
        own->update([&](Pool& pool) { end_reservation(pool, id, now(), EndReason::Finished); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(doubles, 0);
  EXPECT_GT(ours, 0);
  EXPECT_GT(theirs, 0);
  EXPECT_TRUE(store_->read().reservations.empty());
  EXPECT_EQ(store_->history(WallTime::min()).size(), static_cast<std::size_t>(ours));
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
