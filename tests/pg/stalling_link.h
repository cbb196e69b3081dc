// A link to the tests' server that stops carrying bytes on command, while its sockets stay open.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/test_server.h"

namespace pgfanout::testing {

class StallingLink {
 public:
  StallingLink() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener_, 64);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    // Here, since the server ends with the thread that started it.
    const harness::TestServer& server = harness::TestServer::shared();
    server_path_ = server.socket_directory() + "/.s.PGSQL." + std::to_string(server.port());
    thread_ = std::thread([this] { carry(); });
  }
  ~StallingLink() {
    is_over_ = true;
    thread_.join();
    for (const Pair& pair : pairs_) {
      close(pair.client);
      close(pair.server);
    }
    close(listener_);
  }
  StallingLink(const StallingLink&) = delete;
  StallingLink& operator=(const StallingLink&) = delete;

  [[nodiscard]] std::string dsn() const {
    return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=postgres";
  }
  /// Connections of now carry nothing any more; later ones do.
  void stall() {
    first_moving_ = made_.load();
    let_rounds_pass();
  }
  /// Nor do later ones.
  void stall_for_good() {
    first_moving_ = SIZE_MAX;
    let_rounds_pass();
  }
  /// Connections that were made so far.
  [[nodiscard]] std::size_t connections() const { return made_; }

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool is_closed = false;
  };

  /// Until what is being carried has arrived: the round that is under way, and one that begins now.
  void let_rounds_pass() const {
    const std::uint64_t seen = rounds_;
    while (rounds_ < seen + 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void carry() {
    for (; !is_over_; ++rounds_) {
      std::vector<pollfd> waiting = {{listener_, POLLIN, 0}};
      for (std::size_t at = 0; at < pairs_.size(); ++at) {
        const bool moves = at >= first_moving_ && !pairs_[at].is_closed;
        waiting.push_back({moves ? pairs_[at].client : -1, POLLIN, 0});
        waiting.push_back({moves ? pairs_[at].server : -1, POLLIN, 0});
      }
      poll(waiting.data(), waiting.size(), 10);
      for (std::size_t at = 1; at < waiting.size(); ++at) {
        if (waiting[at].revents != 0) move(pairs_[(at - 1) / 2], at % 2 == 1);
      }
      if (waiting[0].revents != 0) accept_one();
    }
  }

  void accept_one() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    server_path_.copy(address.sun_path, sizeof address.sun_path - 1);
    Pair pair;
    pair.client = accept(listener_, nullptr, nullptr);
    pair.server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(pair.server, reinterpret_cast<sockaddr*>(&address), sizeof address);
    pairs_.push_back(pair);
    ++made_;
  }

  static void move(Pair& pair, bool from_client) {
    std::array<char, 16384> bytes;
    const ssize_t got = read(from_client ? pair.client : pair.server, bytes.data(), bytes.size());
    const int to = from_client ? pair.server : pair.client;
    for (ssize_t sent = 0; sent < got;) {
      const auto left = static_cast<std::size_t>(got - sent);
      const ssize_t taken = send(to, bytes.data() + sent, left, MSG_NOSIGNAL);
      if (taken <= 0) break;
      sent += taken;
    }
    if (got > 0) return;
    pair.is_closed = true;
    shutdown(pair.client, SHUT_RDWR);
    shutdown(pair.server, SHUT_RDWR);
  }

  int listener_;
  int port_ = 0;
  std::string server_path_;
  std::vector<Pair> pairs_;  // The thread's.
  std::atomic<std::size_t> made_{0};
  std::atomic<std::size_t> first_moving_{0};
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace pgfanout::testing
