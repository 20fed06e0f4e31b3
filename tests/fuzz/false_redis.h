// A server that answers whatever it is asked with the same bytes, and hangs up.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "fuzz/scratch.h"

namespace chg::fuzz {

class FalseRedis {
 public:
  FalseRedis() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket_.get(), 64) != 0) {
      std::abort();
    }
    server_ = std::thread([this] { serve(); });
  }

  ~FalseRedis() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    server_.join();
  }

  std::string url() const { return "redis+unix://" + path_; }

  void answers_with(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = bytes;
  }

 private:
  void serve() {
    while (true) {
      const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      char question[65536];
      if (::recv(client.get(), question, sizeof question, 0) <= 0) continue;
      const std::lock_guard lock(mutex_);
      ::send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }

  Scratch scratch_;
  std::string path_ = scratch_.path("socket");
  UniqueFd socket_;
  std::mutex mutex_;
  std::string answer_;
  std::thread server_;
};

}  // namespace chg::fuzz
