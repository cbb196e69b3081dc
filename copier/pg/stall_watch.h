// Tells a server that works from one that cannot be reached. Behind a stalled link a socket stays
// silent and reports no error; a server that builds an index is silent as well. A second,
// short-lived connection asks the server for the state of our own backend.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "copier/pg/connection.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A backend. Its process id alone may have been given to another one since.
struct BackendIdentity {
  int pid = 0;
  std::int64_t started_at = 0;  ///< Microseconds since 1970; 0 where the role may not see it.
  bool is_pooled = false;  ///< Behind a pooler, which may have no other backend for a question.
};

/// The state of our own backend, as the server answered.
enum class StallFinding : std::uint8_t { works, cannot_tell, gone, waits_for_us, unreachable };

/// By pg_stat_activity's columns of these names.
[[nodiscard]] StallFinding finding_of(std::string_view state, std::string_view wait_event_type);

/// Whether a silence is long enough to ask the server. A session that is being set up (its backend
/// is not known) may take as long as connecting. A user who stops the job waits for a second only.
[[nodiscard]] bool is_query_due(const ConnectOptions& options, bool knows_backend,
                                std::chrono::nanoseconds silence, bool is_stopping = false);

/// The meaning of a silence, given the answer and whether input came meanwhile.
enum class StallVerdict : std::uint8_t { patience, lost, stalled };
[[nodiscard]] StallVerdict judge_silence(StallFinding finding, bool has_come);

/// A SELECT of our own backend's process id and start, under any search_path.
[[nodiscard]] std::string own_backend_sql();

/// Told, on any thread, when a server that is asked says that a backend waits for something that is
/// no work; each half a minute at most. An empty one: nobody.
void set_wait_listener(IssueSink listener);

class StallWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `options` are those of the watched connection.
  explicit StallWatch(ConnectOptions options);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  /// Until this is known, too long a silence is an error and the server is not asked.
  void set_backend(BackendIdentity backend) { backend_ = backend; }

  /// For a caller who waits for `watched`, has seen nothing move since `silent_since`, and calls
  /// again and again: a call never waits. Before ConnectOptions::stall_timeout has passed it does
  /// nothing. Then it asks the server, over several calls, for at most
  /// ConnectOptions::query_timeout: if the backend works, or waits for others, `silent_since` is
  /// reset; what it waits for is told to the listener; a backend that has ended is
  /// "connection-lost"; one that waits for us, or a server that cannot be reached, is "stalled".
  /// Such a backend is terminated, so that its locks do not block the next call.
  Result<void> check(pg_conn* watched, Moment& silent_since);
  /// The server is being asked: the next call of check() should come soon.
  [[nodiscard]] bool is_asking() const { return query_ != nullptr; }

 private:
  void tell_wait(const pg_conn* watched, std::string_view event) const;
  [[nodiscard]] static Error stalled(const pg_conn* watched, std::chrono::nanoseconds silence);
  [[nodiscard]] Error gone(const pg_conn* watched) const;

  class BackendQuery;

  const ConnectOptions options_;
  BackendIdentity backend_;
  std::unique_ptr<BackendQuery> query_;
};

}  // namespace pgfanout
