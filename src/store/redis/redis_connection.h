// One connection to a Redis: commands out, replies in, each within a deadline.
//
// hiredis writes and reads the protocol; the socket is ours, because a command must end in time
// whatever the server does, no write may raise SIGPIPE, and no descriptor may leak into the user's
// command.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "store/redis/redis_url.h"

struct redisReader;

namespace chg {

/// How long connecting, and then each command, may take.
inline constexpr Duration kRedisDeadline = std::chrono::seconds(5);

/// Time for deadlines: it never steps. Of use within this process only.
BootTime monotonic_now();

/// What a Redis answers. Errors are thrown, and never a value.
struct RedisReply {
  enum class Type { Nil, Integer, Text, Array };
  Type type = Type::Nil;
  long long integer = 0;
  std::string text;  ///< any bytes
  std::vector<RedisReply> elements;

  bool is_nil() const { return type == Type::Nil; }
  bool operator==(const RedisReply&) const = default;
};

/// The only place where an error reply becomes an Error; `where` is the server's URL without
/// password. Refused logins and rights are NotPermitted; what an administrator or time can mend (a
/// read-only replica, no memory, a disk that is full, loading) is Failed and passing.
Error redis_error(std::string_view reply, std::string_view where);

/// A server does not know the script that EVALSHA names: nothing was done.
class RedisUnknownScript : public Error {
 public:
  RedisUnknownScript() : Error(ErrorKind::Failed, "the Redis does not know the script") {}
};

class RedisConnection {
 public:
  /// Connects, logs in and selects the database; with Sentinels, asks them for the master first.
  /// Throws Error: Failed and passing when nobody answers in time; as redis_error for refusals.
  explicit RedisConnection(const RedisAddress& address, Duration deadline = kRedisDeadline);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  /// Sends a command and waits for its reply. Throws as the constructor does; a connection that
  /// broke or was too slow is closed, so that no late reply is taken for another's.
  RedisReply command(const std::vector<std::string>& words);

  /// The two halves of it, for subscriptions.
  void send(const std::vector<std::string>& words);
  RedisReply receive();

  /// Whether commands can be sent: false after an Error that closed it.
  bool is_open() const { return static_cast<bool>(socket_); }

  /// Whether it was closed because the server hung up: a command that was sent may or may not have
  /// been carried out, and the server may be back at once.
  bool was_lost() const { return was_lost_; }

  /// Polls as readable when something has come, or the server has hung up; -1 when closed.
  int fd() const { return socket_.get(); }

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const;
  };

  void open(const RedisEndpoint& server);
  void open_unix(const std::string& path);
  void log_in();
  void follow_sentinels();
  bool ask(const RedisEndpoint& sentinel);
  void await(short events, BootTime until);
  std::optional<RedisReply> next_reply();
  void hear_last_words();
  [[noreturn]] void lose(const std::string& why);
  [[noreturn]] void give_up();
  [[noreturn]] void fail_to_connect(const std::string& why) const;

  RedisAddress address_;
  std::string where_;
  Duration deadline_;
  UniqueFd socket_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  bool was_lost_ = false;
};

}  // namespace chg
