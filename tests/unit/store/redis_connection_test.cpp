#include "store/redis/redis_connection.h"

#include <chrono>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/redis_server.h"

namespace chg {
namespace {

using std::chrono::milliseconds;

constexpr Duration kShort = milliseconds(1000);

class RedisConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override { CHG_REQUIRE_REDIS_SERVER(); }

  TemporaryFolder folder_;
};

RedisAddress at_port(int port) {
  RedisAddress address;
  address.server = {"127.0.0.1", port};
  return address;
}

TEST_F(RedisConnectionTest, AnswersWithValues) {
  const RedisServer server(folder_);
  RedisConnection connection(server.address());
  const std::string bytes("a\0\r\n\xff", 5);
  EXPECT_EQ(connection.command({"SET", "k", bytes}).text, "OK");
  EXPECT_EQ(connection.command({"GET", "k"}).text, bytes);
  EXPECT_EQ(connection.command({"INCR", "n"}).integer, 1);
  EXPECT_TRUE(connection.command({"GET", "missing"}).is_nil());
  const RedisReply list = connection.command({"MGET", "k", "missing", "n"});
  ASSERT_EQ(list.elements.size(), 3U);
  EXPECT_TRUE(list.elements[1].is_nil());
  EXPECT_EQ(list.elements[2].text, "1");
}

TEST_F(RedisConnectionTest, CarriesLargeValues) {
  const RedisServer server(folder_);
  RedisConnection connection(server.address());
  const std::string large(20'000'000, 'x');
  connection.command({"SET", "k", large});
  EXPECT_TRUE(connection.command({"GET", "k"}).text == large);
}

TEST_F(RedisConnectionTest, GoesOnAfterAnErrorReply) {
  const RedisServer server(folder_);
  RedisConnection connection(server.address());
  connection.command({"SET", "k", "text"});
  expect_error(ErrorKind::Failed, "holds something else", [&] {
    connection.command({"LPUSH", "k", "x"});
  });
  expect_error(ErrorKind::Failed, "lacks a command", [&] { connection.command({"NONSENSE"}); });
  EXPECT_TRUE(connection.is_open());
  EXPECT_EQ(connection.command({"GET", "k"}).text, "text");
}

TEST_F(RedisConnectionTest, SpeaksTcpAndSelectsItsDatabase) {
  const int port = free_port();
  const RedisServer server(folder_, {"--port", std::to_string(port), "--bind", "127.0.0.1"});
  RedisAddress address = at_port(port);
  RedisConnection(address).command({"SET", "k", "zero"});
  address.database = 3;
  RedisConnection third(address);
  EXPECT_TRUE(third.command({"GET", "k"}).is_nil());
  EXPECT_EQ(server.command({"GET", "k"}).text, "zero");
  address.database = 99;
  expect_error(ErrorKind::Failed, "has no such database", [&] { RedisConnection c(address); });
}

TEST_F(RedisConnectionTest, IsNotPassedOnToOtherPrograms) {
  const RedisServer server(folder_);
  const RedisConnection connection(server.address());
  EXPECT_EQ(::fcntl(connection.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

// Refusals.

TEST_F(RedisConnectionTest, LogsInWithAPassword) {
  const RedisServer server(folder_);
  server.command({"CONFIG", "SET", "requirepass", "top secret"});
  RedisAddress address = server.address();
  const Error none = error_of([&] { RedisConnection(address).command({"PING"}); });
  EXPECT_EQ(none.kind(), ErrorKind::NotPermitted);
  EXPECT_NE(std::string(none.what()).find("asks for a password"), std::string::npos);
  EXPECT_NE(none.hint().find("redis.password"), std::string::npos) << none.hint();
  address.password = "wrong guess";
  const Error wrong = error_of([&] { RedisConnection c(address); });
  EXPECT_EQ(wrong.kind(), ErrorKind::NotPermitted);
  EXPECT_EQ((wrong.what() + wrong.hint()).find("guess"), std::string::npos) << wrong.what();
  address.password = "top secret";
  EXPECT_EQ(RedisConnection(address).command({"PING"}).text, "PONG");
}

TEST_F(RedisConnectionTest, LogsInAsAUserWhoseRightsDecide) {
  const RedisServer server(folder_);
  server.command({"ACL", "SETUSER", "gpu", "on", ">pw", "~canhazgpu:*", "+get"});
  RedisAddress address = server.address();
  address.username = "gpu";
  address.password = "pw";
  RedisConnection connection(address);
  EXPECT_TRUE(connection.command({"GET", "canhazgpu:x"}).is_nil());
  expect_error(ErrorKind::NotPermitted, "does not permit it", [&] {
    connection.command({"GET", "other"});
  });
  expect_error(ErrorKind::NotPermitted, "does not permit it", [&] {
    connection.command({"SET", "canhazgpu:x", "1"});
  });
  address.username = "nobody";
  expect_error(ErrorKind::NotPermitted, "refuses the user name or the password",
               [&] { RedisConnection c(address); });
}

TEST_F(RedisConnectionTest, NeedsNoPasswordWhereThereIsNone) {
  const RedisServer server(folder_);
  RedisAddress address = server.address();
  address.password = "not needed";
  expect_error(ErrorKind::NotPermitted, "one was given", [&] { RedisConnection c(address); });
}

// Away.

TEST_F(RedisConnectionTest, SaysWhereNobodyAnswers) {
  RedisAddress address = at_port(free_port());
  address.password = "secret";
  const Error refused = error_of([&] { RedisConnection c(address); });
  EXPECT_EQ(refused.kind(), ErrorKind::Failed);
  EXPECT_TRUE(refused.is_transient());
  EXPECT_NE(std::string(refused.what()).find("127.0.0.1:"), std::string::npos) << refused.what();
  EXPECT_EQ(std::string(refused.what()).find("secret"), std::string::npos) << refused.what();
  address = RedisAddress{};
  address.socket = folder_.path("missing.sock");
  const Error missing = error_of([&] { RedisConnection c(address); });
  EXPECT_TRUE(missing.is_transient());
  EXPECT_NE(std::string(missing.what()).find("missing.sock"), std::string::npos);
}

TEST_F(RedisConnectionTest, EndsAtItsTimeoutWhenTheServerIsStopped) {
  const RedisServer server(folder_);
  RedisConnection connection(server.address(), kShort);
  server.stop();
  const auto begin = std::chrono::steady_clock::now();
  const Error error = error_of([&] { connection.command({"PING"}); });
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("did not answer"), std::string::npos) << error.what();
  EXPECT_GE(took, kShort);
  // A reply that comes after all must not be taken for another's.
  EXPECT_FALSE(connection.is_open());
  EXPECT_FALSE(connection.was_lost());
  server.go_on();
  expect_error(ErrorKind::Failed, "closed", [&] { connection.command({"PING"}); });
}

TEST_F(RedisConnectionTest, NoticesThatTheServerWentAway) {
  RedisServer server(folder_);
  RedisConnection connection(server.address());
  server.kill();
  const Error error = error_of([&] { connection.command({"PING"}); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_TRUE(connection.was_lost());
  EXPECT_FALSE(connection.is_open());
}

TEST_F(RedisConnectionTest, DoesNotTakeAnotherProgramForARedis) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const Child other([&] {
    const UniqueFd client(::accept(listener.get(), nullptr, nullptr));
    const std::string words = "HTTP/1.1 400 Bad Request\r\n\r\n";
    return ::write(client.get(), words.data(), words.size()) < 0 ? 1 : idle();
  });
  expect_error(ErrorKind::Failed, "does not answer as a Redis does",
               [&] { RedisConnection(at_port(ntohs(address.sin_port))).command({"PING"}); });
}

TEST_F(RedisConnectionTest, SaysThatAReplicaIsReadOnly) {
  const RedisServer server(folder_);
  server.command({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
  const Error error = error_of([&] { server.command({"SET", "k", "1"}); });
  EXPECT_TRUE(error.is_transient());
  EXPECT_NE(std::string(error.what()).find("read-only replica"), std::string::npos);
  EXPECT_NE(error.hint(), "");
}

// Sentinel.

TEST_F(RedisConnectionTest, FollowsASentinelToTheMaster) {
  const int port = free_port();
  const int sentinel_port = free_port();
  const std::vector<std::string> tcp = {"--port", std::to_string(port), "--bind", "127.0.0.1"};
  const RedisServer master(folder_, tcp);
  // A Sentinel rewrites its configuration file, and insists on having one.
  const std::string file = folder_.write(
      "sentinel.conf", "sentinel monitor gpus 127.0.0.1 " + std::to_string(port) + " 1\nport " +
                           std::to_string(sentinel_port) + "\nbind 127.0.0.1\n");
  const Whistle said;
  const Child sentinel([&] {
    ::dup2(said.writing_end(), STDOUT_FILENO);
    return become_program({{redis_server_program(), file, "--sentinel"}, {}});
  });
  std::string log;
  std::array<char, 4096> buffer{};
  while (log.find("+monitor") == std::string::npos && becomes_ready(said.reading_end())) {
    const ssize_t size = ::read(said.reading_end(), buffer.data(), buffer.size());
    log.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  RedisAddress address =
      parse_redis_url("redis-sentinel://127.0.0.1:" + std::to_string(free_port()) +
                      ",127.0.0.1:" + std::to_string(sentinel_port) + "/gpus");
  RedisConnection(address).command({"SET", "k", "here"});
  EXPECT_EQ(master.command({"GET", "k"}).text, "here");
  address.master = "others";
  expect_error(ErrorKind::Failed, "cannot reach", [&] { RedisConnection c(address); });
}

// Words.

TEST(RedisError, KnowsWhatPassesAndWhatIsForbidden) {
  const auto kind = [](const char* reply) { return redis_error(reply, "redis://h").kind(); };
  EXPECT_EQ(kind("NOAUTH Authentication required."), ErrorKind::NotPermitted);
  EXPECT_EQ(kind("WRONGPASS invalid username-password pair"), ErrorKind::NotPermitted);
  EXPECT_EQ(kind("NOPERM this user has no permissions"), ErrorKind::NotPermitted);
  EXPECT_EQ(kind("ERR something"), ErrorKind::Failed);
  for (const char* reply :
       {"READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.", "LOADING Redis is loading",
        "MISCONF Redis is configured to save RDB snapshots", "BUSY Redis is busy running a script",
        "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write"}) {
    const Error error = redis_error(reply, "redis://h");
    EXPECT_TRUE(error.is_transient()) << reply;
    EXPECT_NE(error.hint(), "") << reply;
    EXPECT_NE(std::string(error.what()).find("'redis://h'"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(redis_error("NOAUTH x", "h").is_transient());
}

TEST(RedisError, ShowsUnknownRepliesHarmlessly) {
  const Error error = redis_error("ERR \x1b[31mred\n", "h");
  EXPECT_NE(std::string(error.what()).find("\\x1b[31mred\\n"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace chg
