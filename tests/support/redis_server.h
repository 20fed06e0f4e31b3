// A private redis-server for one test. It listens on a socket in the test's folder (and on a port
// of its own where one is asked for), keeps nothing on disk, and ends with the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/redis/redis_connection.h"
#include "support/child.h"
#include "support/temporary_folder.h"

namespace chg {

/// Where redis-server is; "" when it is not installed.
inline std::string redis_server_program() {
  for (const char* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}

/// A TCP port of this host that nobody uses.
inline int free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

class RedisServer {
 public:
  /// `options` as on its command line: {"--maxmemory", "2mb"}. Returns when it takes connections.
  explicit RedisServer(const TemporaryFolder& folder, std::vector<std::string> options = {},
                       const std::string& name = "redis.sock")
      : socket_(folder.path(name)), options_(std::move(options)) {
    start();
  }

  void start() {
    const Whistle said;
    process_ = std::make_unique<Child>([&] {
      ::dup2(said.writing_end(), STDOUT_FILENO);
      std::vector<std::string> words = {redis_server_program(),
                                        "--port",
                                        "0",
                                        "--unixsocket",
                                        socket_,
                                        "--appendonly",
                                        "no",
                                        "--save",
                                        ""};
      words.insert(words.end(), options_.begin(), options_.end());
      return become_program({words, {"LC_ALL=C"}});
    });
    await("eady to accept connections", said);
  }

  void kill() { process_.reset(); }
  void stop() const { process_->stop(); }
  void go_on() const { process_->send(SIGCONT); }
  const std::string& socket() const { return socket_; }
  std::string url() const { return "redis+unix://" + socket_; }

  RedisAddress address() const { return parse_redis_url(url()); }

  /// Sends one command on a connection of its own.
  RedisReply command(const std::vector<std::string>& words) const {
    return RedisConnection(address()).command(words);
  }

 private:
  // Its log tells when it is ready; nothing is tried again and again.
  static void await(const std::string& words, const Whistle& said) {
    std::string log;
    std::array<char, 4096> buffer{};
    while (log.find(words) == std::string::npos) {
      if (!becomes_ready(said.reading_end())) break;
      const ssize_t size = ::read(said.reading_end(), buffer.data(), buffer.size());
      if (size <= 0) break;
      log.append(buffer.data(), static_cast<std::size_t>(size));
      // The end of the pipe stays open here, so an end of the server does not show in it.
      if (log.find("Failed") != std::string::npos || log.find("FATAL") != std::string::npos) break;
    }
    EXPECT_NE(log.find(words), std::string::npos) << log;
  }

  std::string socket_;
  std::vector<std::string> options_;
  std::unique_ptr<Child> process_;
};

/// Ends the test as skipped where no server can be started.
#define CHG_REQUIRE_REDIS_SERVER() \
  if (redis_server_program().empty()) GTEST_SKIP() << "redis-server is not installed"

}  // namespace chg
