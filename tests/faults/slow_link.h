// A link to a server that is slow in both directions: so many bytes a second over all connections,
// and a delay for each piece, as between two places.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/harness/test_server.h"

namespace pgfanout::testing {

class SlowLink {
 public:
  using Clock = std::chrono::steady_clock;

  SlowLink(const harness::TestServer& server, double bytes_per_second, Clock::duration delay)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        server_path_(server.socket_directory() + "/.s.PGSQL." + std::to_string(server.port())),
        bytes_per_second_(bytes_per_second),
        delay_(delay) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener_, 64);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { carry(); });
  }
  ~SlowLink() {
    is_over_ = true;
    thread_.join();
    for (const Way& way : ways_) close(way.from);
    close(listener_);
  }
  SlowLink(const SlowLink&) = delete;
  SlowLink& operator=(const SlowLink&) = delete;

  [[nodiscard]] std::string dsn(const std::string& database) const {
    return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=" + database;
  }

 private:
  /// One direction of a connection; the descriptors are those of both of its ways.
  struct Way {
    int from = -1;
    int to = -1;
    std::deque<std::pair<Clock::time_point, std::string>> pieces;  ///< When they arrive.
    std::size_t held = 0;
    bool is_at_end = false;
  };
  static constexpr std::size_t kMostHeld = 1 << 20;

  void carry() {
    while (!is_over_) {
      std::vector<pollfd> waiting = {{listener_, POLLIN, 0}};
      for (const Way& way : ways_) {
        waiting.push_back({way.is_at_end || way.held >= kMostHeld ? -1 : way.from, POLLIN, 0});
      }
      poll(waiting.data(), waiting.size(), 2);
      std::size_t at = 1;
      for (Way& way : ways_) {
        if (waiting[at++].revents != 0) take(way);
      }
      for (Way& way : ways_) deliver(way);
      if (waiting[0].revents != 0) accept_one();
    }
  }

  void accept_one() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    server_path_.copy(address.sun_path, sizeof address.sun_path - 1);
    const int client = accept(listener_, nullptr, nullptr);
    const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ways_.push_back({client, server, {}, 0, false});
    ways_.push_back({server, client, {}, 0, false});
  }

  /// The bytes of all connections go over the link one after the other.
  void take(Way& way) {
    std::array<char, 16384> bytes{};
    const ssize_t got = recv(way.from, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) {
      way.is_at_end = true;
      way.pieces.emplace_back(Clock::now() + delay_, "");
      return;
    }
    const auto time = std::chrono::duration<double>(static_cast<double>(got) / bytes_per_second_);
    free_at_ = std::max(free_at_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(time);
    way.held += static_cast<std::size_t>(got);
    way.pieces.emplace_back(free_at_ + delay_,
                            std::string(bytes.data(), static_cast<std::size_t>(got)));
  }

  static void deliver(Way& way) {
    while (!way.pieces.empty() && way.pieces.front().first <= Clock::now()) {
      std::string& piece = way.pieces.front().second;
      if (piece.empty()) {
        shutdown(way.to, SHUT_WR);
      } else {
        const ssize_t sent = send(way.to, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return;
        const std::size_t gone = sent < 0 ? piece.size() : static_cast<std::size_t>(sent);
        way.held -= gone;
        piece.erase(0, gone);
        if (!piece.empty()) return;
      }
      way.pieces.pop_front();
    }
  }

  int listener_;
  int port_ = 0;
  const std::string server_path_;
  const double bytes_per_second_;
  const Clock::duration delay_;
  std::list<Way> ways_;          // The thread's, as the next one.
  Clock::time_point free_at_{};  // When the link has carried all that it was given.
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace pgfanout::testing
