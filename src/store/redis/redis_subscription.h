// Listens to what a Redis publishes.
#pragma once

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "store/redis/redis_connection.h"
#include "store/store.h"

namespace chg {

class RedisSubscription final : public Subscription {
 public:
  /// Throws Error as RedisConnection does.
  RedisSubscription(const RedisAddress& address, std::string channel);

  int fd() const override { return poll_.get(); }

  /// Forgets all that was published before this is called, in one round trip; a lost connection is
  /// made anew. Throws Error, passing, when it can't be; the descriptor polls as ready from then
  /// on.
  void renew() override;

 private:
  void listen();
  void drain();
  void watch(int fd);

  RedisAddress address_;
  std::string channel_;
  std::unique_ptr<RedisConnection> connection_;
  UniqueFd poll_;   ///< an epoll of the connection and the alarm
  UniqueFd alarm_;  ///< polls as ready while there is no connection
};

}  // namespace chg
