// Stands between a client and a Redis: loses a reply on the way, or counts bytes.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace chg {

/// Passes bytes on in both directions, one client at a time. The first command that holds `word` is
/// passed on or swallowed, as `fate` says; its reply never is, and the client is hung up on.
/// PassAll loses nothing.
class RedisProxy {
 public:
  enum class Fate { LoseReply, LoseCommand, PassAll };

  RedisProxy(const std::string& socket, std::string server, std::string word, Fate fate)
      : server_(std::move(server)),
        word_(std::move(word)),
        fate_(fate),
        end_(eventfd(0, EFD_CLOEXEC)),
        listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = at(socket);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { work(); });
  }
  ~RedisProxy() {
    eventfd_write(end_.get(), 1);
    thread_.join();
  }

  int lost() const { return lost_; }
  std::size_t bytes_passed() const { return passed_; }

 private:
  static sockaddr_un at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    return address;
  }

  void work() {
    std::array<pollfd, 2> polled{{{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    while (::poll(polled.data(), polled.size(), -1) > 0 && polled[1].revents == 0) {
      const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_un address = at(server_);
      if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
          0) {
        serve(client.get(), server.get());
      }
    }
  }

  void serve(int client, int server) {
    std::array<pollfd, 3> polled{
        {{client, POLLIN, 0}, {server, POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    std::array<char, 65536> buffer{};
    while (::poll(polled.data(), polled.size(), -1) > 0 && polled[2].revents == 0) {
      const bool from_client = polled[0].revents != 0;
      const ssize_t size = ::read(from_client ? client : server, buffer.data(), buffer.size());
      if (size <= 0) return;
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
      if (fate_ != Fate::PassAll && from_client && lost_ == 0 &&
          bytes.find(word_) != std::string_view::npos) {
        ++lost_;
        if (fate_ == Fate::LoseCommand) return;
        pass(server, bytes);
        EXPECT_GT(::read(server, buffer.data(), buffer.size()), 0);  // it has been carried out
        return;
      }
      passed_ += bytes.size();
      pass(from_client ? server : client, bytes);
    }
  }

  static void pass(int fd, std::string_view bytes) {
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  std::string server_;
  std::string word_;
  Fate fate_;
  UniqueFd end_;
  UniqueFd listener_;
  std::atomic<int> lost_ = 0;
  std::atomic<std::size_t> passed_ = 0;
  std::thread thread_;
};

}  // namespace chg
