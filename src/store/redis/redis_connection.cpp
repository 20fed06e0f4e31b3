#include "store/redis/redis_connection.h"

#include <array>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/duration_text.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

std::string words_for(int error_number) { return std::generic_category().message(error_number); }

// A server that vanished without a word (its host lost power) is noticed within half a minute, so
// that nobody waits for its messages for ever.
void keep_alive(int fd) {
  const auto set = [&](int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

RedisReply to_value(const redisReply& reply) {
  RedisReply value;
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      value.type = RedisReply::Type::Integer;
      value.integer = reply.integer;
      break;
    case REDIS_REPLY_ARRAY:
      value.type = RedisReply::Type::Array;
      value.elements.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i) {
        value.elements.push_back(to_value(*reply.element[i]));
      }
      break;
    case REDIS_REPLY_NIL:
      break;
    default:
      value.type = RedisReply::Type::Text;
      value.text.assign(reply.str, reply.len);
  }
  return value;
}

// No pool and no history has as many parts. For all that a false server claims to send, the library
// would take memory at once.
constexpr std::size_t kElementsMax = 1U << 22U;

redisReader* make_reader() {
  static const redisReplyObjectFunctions plain = [] {
    redisReader* const reader = redisReaderCreate();
    if (reader == nullptr) throw std::bad_alloc();
    const redisReplyObjectFunctions functions = *reader->fn;
    redisReaderFree(reader);
    return functions;
  }();
  static redisReplyObjectFunctions bounded = [] {
    redisReplyObjectFunctions functions = plain;
    functions.createArray = [](const redisReadTask* task, auto elements) -> void* {
      if (static_cast<std::size_t>(elements) > kElementsMax) return nullptr;
      return plain.createArray(task, elements);
    };
    return functions;
  }();
  return redisReaderCreateWithFunctions(&bounded);
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

void RedisConnection::FreeReader::operator()(redisReader* reader) const { redisReaderFree(reader); }

RedisConnection::RedisConnection(const RedisAddress& address, Duration timeout)
    : address_(address), where_(to_url(address, false)), timeout_(timeout), reader_(make_reader()) {
  if (!address_.socket.empty()) {
    open_unix(address_.socket);
  } else if (!address_.sentinels.empty()) {
    follow_sentinels();
  } else {
    open(address_.server);
  }
  log_in();
}

RedisConnection::~RedisConnection() = default;

void RedisConnection::fail_to_connect(const std::string& why) const {
  throw Error(ErrorKind::Failed,
              fmt::format("cannot reach the Redis '{}': {}", printable(where_, 100), why),
              fmt::format("is it running, and are its address and port right? see: {} ping",
                          redis_cli(address_)))
      .with(Retry::Later);
}

void RedisConnection::open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(ErrorKind::Usage, fmt::format("the path of the socket is too long: '{}'", path),
                "name it by a shorter path, such as a link to its folder");
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("cannot make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int why = errno;
    if (why == EACCES || why == EPERM) {
      throw errno_error(fmt::format("cannot use the Redis socket '{}'", path), why,
                        "its administrator has to let this user write it (unixsocketperm)");
    }
    fail_to_connect(words_for(why));
  }
  socket_ = std::move(fd);
}

void RedisConnection::open(const RedisEndpoint& server) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(server.host.c_str(), fmt::to_string(server.port).c_str(), &wanted, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  if (failure != 0) fail_to_connect(gai_strerror(failure));
  std::string why = "it has no address";
  const auto until = SteadyClock::now() + timeout_;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) throw_errno("cannot make a socket");
    keep_alive(fd.get());
    int result = ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
    if (result == EINPROGRESS) {
      socket_ = std::move(fd);
      await(POLLOUT, until);
      socklen_t size = sizeof result;
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &result, &size);
      fd = std::move(socket_);
    }
    if (result == 0) {
      socket_ = std::move(fd);
      return;
    }
    why = words_for(result);
  }
  fail_to_connect(why);
}

void RedisConnection::log_in() {
  if (!address_.password.empty()) {
    std::vector<std::string> words = {"AUTH"};
    if (!address_.username.empty()) words.push_back(address_.username);
    words.push_back(address_.password);
    command(words);
  }
  if (address_.database != 0) command({"SELECT", fmt::to_string(address_.database)});
  if (address_.sentinels.empty()) return;
  // A Sentinel may not have noticed yet that its master is no more.
  const RedisReply role = command({"ROLE"});
  if (!role.elements.empty() && role.elements[0].text != "master") {
    throw redis_error("READONLY", where_);
  }
}

void RedisConnection::follow_sentinels() {
  std::string why;
  for (const RedisEndpoint& sentinel : address_.sentinels) {
    try {
      if (ask(sentinel)) return;
      why = fmt::format("its Sentinels know no master '{}'", printable(address_.master, 40));
    } catch (const Error& error) {
      if (why.empty()) why = error.what();
    }
  }
  fail_to_connect(why);
}

// Connects to the master that this Sentinel names; false when it names none.
bool RedisConnection::ask(const RedisEndpoint& sentinel) {
  RedisAddress address;
  address.server = sentinel;
  RedisConnection connection(address, timeout_);
  const RedisReply master =
      connection.command({"SENTINEL", "get-master-addr-by-name", address_.master});
  if (master.elements.size() != 2) return false;
  RedisEndpoint named;
  named.host = master.elements[0].text;
  named.port = parse<int>(master.elements[1].text).value_or(0);
  open(named);
  return true;
}

RedisReply RedisConnection::command(const std::vector<std::string>& words) {
  send(words);
  return receive();
}

void RedisConnection::send(const std::vector<std::string>& words) {
  if (!socket_) fail_to_connect("the connection is closed");
  std::vector<const char*> pointers;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    pointers.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* text = nullptr;
  const int size =
      redisFormatCommandArgv(&text, static_cast<int>(words.size()), pointers.data(), sizes.data());
  if (size < 0) throw Error(ErrorKind::Failed, "cannot write a command for Redis");
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owned(text, redisFreeCommand);
  const auto until = SteadyClock::now() + timeout_;
  std::string_view rest(text, static_cast<std::size_t>(size));
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      await(POLLOUT, until);
    } else if (errno != EINTR) {
      const int why = errno;
      hear_last_words();
      lose(words_for(why));
    }
  }
}

// A server that has too many connections says so, and closes at once. Throws what it said.
void RedisConnection::hear_last_words() {
  std::array<char, 1024> buffer{};
  const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size <= 0) return;
  redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(size));
  socket_.reset();
  next_reply();
}

RedisReply RedisConnection::receive() {
  if (!socket_) fail_to_connect("the connection is closed");
  const auto until = SteadyClock::now() + timeout_;
  std::array<char, 16384> buffer{};
  while (true) {
    if (auto reply = next_reply()) return std::move(*reply);
    if (SteadyClock::now() >= until) give_up();
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0) {
      lose("it hung up");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      await(POLLIN, until);
    } else if (errno != EINTR) {
      lose(words_for(errno));
    }
  }
}

// The next whole reply of what has been received.
std::optional<RedisReply> RedisConnection::next_reply() {
  void* found = nullptr;
  if (redisReaderGetReply(reader_.get(), &found) != REDIS_OK) {
    socket_.reset();
    throw Error(ErrorKind::Failed,
                fmt::format("'{}' does not answer as a Redis does: {}", printable(where_, 100),
                            printable(reader_->errstr)),
                "is something else running there?");
  }
  if (found == nullptr) return std::nullopt;
  const std::unique_ptr<redisReply, decltype(&freeReplyObject)> owned(
      static_cast<redisReply*>(found), freeReplyObject);
  if (owned->type == REDIS_REPLY_ERROR) {
    const std::string_view error(owned->str, owned->len);
    if (error.starts_with("NOSCRIPT")) throw RedisUnknownScript();
    throw redis_error(error, where_);
  }
  return to_value(*owned);
}

// Waits until the socket is ready, or gives up.
void RedisConnection::await(short events, SteadyClock::time_point until) {
  while (true) {
    const Duration left = until - SteadyClock::now();
    if (left <= Duration::zero()) give_up();
    pollfd polled{socket_.get(), events, 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int count = ::poll(&polled, 1, static_cast<int>(milliseconds));
    if (count > 0) return;
    if (count < 0 && errno != EINTR) throw_errno("cannot wait");
  }
}

void RedisConnection::lose(const std::string& why) {
  socket_.reset();
  was_lost_ = true;
  throw Error(ErrorKind::Failed,
              fmt::format("lost the connection to the Redis '{}': {}", printable(where_, 100), why),
              fmt::format("is it running? see: {} ping", redis_cli(address_)))
      .with(Retry::Later);
}

void RedisConnection::give_up() {
  socket_.reset();
  throw Error(ErrorKind::Failed,
              fmt::format("the Redis '{}' did not answer within {}", printable(where_, 100),
                          to_short_text(timeout_)),
              fmt::format("is it overloaded or stopped, or the network slow? see: {} ping",
                          redis_cli(address_)))
      .with(Retry::Later);
}

}  // namespace chg
