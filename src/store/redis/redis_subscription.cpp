#include "store/redis/redis_subscription.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace chg {

RedisSubscription::RedisSubscription(const RedisAddress& address, std::string channel)
    : address_(address),
      channel_(std::move(channel)),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      alarm_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!poll_ || !alarm_) throw_errno("cannot make a descriptor to wait for");
  watch(alarm_.get());
  listen();
}

void RedisSubscription::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("cannot watch");
}

void RedisSubscription::listen() {
  connection_.reset();
  eventfd_write(alarm_.get(), 1);
  auto connection = std::make_unique<RedisConnection>(address_);
  connection->command({"SUBSCRIBE", channel_});
  watch(connection->fd());
  connection_ = std::move(connection);
  eventfd_t count = 0;
  eventfd_read(alarm_.get(), &count);
}

// Replies come in order: what was published before the question comes before the answer.
void RedisSubscription::drain() {
  connection_->send({"PING", "renew"});
  const auto until = SteadyClock::now() + kRedisTimeout;
  while (SteadyClock::now() < until) {
    const RedisReply reply = connection_->receive();
    if (!reply.elements.empty() && reply.elements[0].text == "pong") return;
  }
  throw Error(ErrorKind::Failed, "the Redis publishes without end").with(Retry::Later);
}

void RedisSubscription::renew() {
  try {
    if (connection_) return drain();
  } catch (const Error&) {
    // Whatever it was: a new connection either works, or says why not.
  }
  listen();
}

}  // namespace chg
