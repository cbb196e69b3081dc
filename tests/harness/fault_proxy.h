// A network with faults between a client and a server. It listens on 127.0.0.1 and on a Unix
// socket, forwards to the server's Unix socket, and injects a fault into a connection at the
// fault's place: a number of bytes, or a message of the protocol. It reads the protocol, so it can
// drop the reply to a COMMIT that the server has executed.
//
//   FaultProxy proxy(server);
//   ProxyFault lost{FaultKind::drop_message};
//   lost.message = "COMMIT";
//   proxy.add(lost);
//   ... connect to proxy.dsn("database") ...
//   EXPECT_EQ(proxy.faults_met(), 1);
//
// Thread-safe. Each connection has a thread, which ends with the object at the latest.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/harness/test_server.h"

namespace pgfanout::harness {

enum class FaultKind {
  stall,         ///< Forwards nothing more; the sockets stay open.
  dribble,       ///< A few bytes at a time, with pauses.
  delay,         ///< Each piece waits.
  reset,         ///< Closes both sides; a client on TCP gets RST.
  half_close,    ///< Ends this direction only.
  drop_message,  ///< Drops the message and resets the connection.
};
inline constexpr int kFaultKinds = 6;
std::string name_of(FaultKind kind);

enum class Direction { to_server, to_client };

/// A fault. It affects one connection, once.
struct ProxyFault {
  FaultKind kind = FaultKind::reset;
  int connection = -1;  ///< By order of arrival, from 0; -1: the first one that reaches the place.
  std::string application{};  ///< Only connections whose application_name ends so.
  Direction direction = Direction::to_client;
  std::int64_t after_bytes = 0;  ///< Forwards so many in this direction before.

  /// If not empty, the place is a message. To the client: the CommandComplete whose tag begins with
  /// it. To the server: the statement that begins with it.
  std::string message{};
  bool ready_after = false;  ///< The ReadyForQuery after that CommandComplete instead.
  int occurrence = 1;        ///< The n-th such message of a connection.

  bool both_directions = false;         ///< stall, dribble and delay only.
  std::chrono::milliseconds length{0};  ///< Duration of these; 0: no end.
  std::chrono::milliseconds pause{5};   ///< Of dribble and delay, before each piece.
  std::size_t longest_piece = 3;        ///< Of dribble.
};
std::ostream& operator<<(std::ostream& stream, const ProxyFault& fault);

/// The state of a connection so far.
struct ProxiedConnection {
  std::string application;
  bool is_cancel_request = false;
  std::int64_t bytes_to_server = 0;
  std::int64_t bytes_to_client = 0;
  std::map<std::string, int> replies;  ///< CommandComplete by the first word of its tag.
};

class FaultProxy {
 public:
  explicit FaultProxy(const TestServer& server);
  /// Cuts all connections.
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  /// For 127.0.0.1.
  [[nodiscard]] std::string dsn(const std::string& database) const;
  /// For the Unix socket.
  [[nodiscard]] std::string unix_dsn(const std::string& database) const;

  void add(const ProxyFault& fault);
  /// Cuts all connections, removes waiting faults, and starts the order of arrival at 0 again.
  void clear();
  [[nodiscard]] int faults_met() const;
  /// Time of the last fault.
  [[nodiscard]] std::chrono::steady_clock::time_point last_met() const;
  [[nodiscard]] std::vector<ProxiedConnection> connections() const;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace pgfanout::harness
