#include "store/redis/redis_subscription.h"

#include <random>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace chg {

GoWatch::GoWatch() : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) throw_errno("cannot make a timer");
}

void GoWatch::arm() const {
  // As often as its own waiters look; not all at the same moment.
  thread_local std::minstd_rand random{std::random_device{}()};
  itimerspec when{};
  when.it_value.tv_sec = 2;
  when.it_value.tv_nsec = static_cast<long>(random() % 500'000'000);
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void GoWatch::disarm() const {
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
}

RedisSubscription::RedisSubscription(const RedisAddress& address, std::string channel,
                                     std::shared_ptr<const GoWatch> go)
    : address_(address),
      channel_(std::move(channel)),
      go_(std::move(go)),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      alarm_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!poll_ || !alarm_) throw_errno("cannot make a descriptor to wait for");
  watch(alarm_.get());
  if (go_) watch(go_->fd());
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
  while (true) {
    const RedisReply reply = connection_->receive();
    if (!reply.elements.empty() && reply.elements[0].text == "pong") return;
  }
}

void RedisSubscription::renew() {
  if (go_) go_->disarm();
  try {
    if (connection_) return drain();
  } catch (const Error&) {
    // Whatever it was: a new connection either works, or says why not.
  }
  listen();
}

}  // namespace chg
