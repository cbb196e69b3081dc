// Tells a server that works from one that cannot be reached. Behind a stalled link a socket is
// silent for ever and reports no error; a server that builds an index is silent as well. A second,
// short-lived connection asks the server what it thinks that our own backend is doing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A backend. Its process id alone may have been given to another one since.
struct BackendIdentity {
  int pid = 0;
  std::int64_t started_at = 0;  ///< Microseconds since 1970; 0 where the role may not see it.
};

/// A SELECT of our own backend's start, as BackendIdentity has it.
[[nodiscard]] std::string own_backend_sql();

class StallWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `options` are those of the watched connection.
  explicit StallWatch(ConnectOptions options) : options_(std::move(options)) {}

  /// Until this is known, silence beyond the time-out is an error without a look at the server.
  void set_backend(BackendIdentity backend) { backend_ = backend; }

  /// For a caller who waits for `watched` and has seen nothing move since `silent_since`. Before
  /// ConnectOptions::stall_timeout has passed it does nothing. Then it looks, for 10 seconds at
  /// most: if the backend works, `silent_since` begins anew; a backend that is gone is
  /// "connection-lost"; one that waits for us in turn, or a server that cannot be reached, is
  /// "stalled". Such a backend is ended, so that its locks do not stand in the next call's way.
  Result<void> check(pg_conn* watched, Moment& silent_since) const;

 private:
  [[nodiscard]] Error stalled(const pg_conn* watched, std::chrono::seconds silence) const;

  const ConnectOptions options_;
  BackendIdentity backend_;
};

}  // namespace pgfanout
