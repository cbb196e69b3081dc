// Statements of this process that a server has not answered yet: for those who tell the user what a
// stop waits for, and what it leaves behind on the server. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace pgfanout {

struct ServerWait {
  int pid = 0;          ///< Of the server's process; 0: not connected yet.
  std::string session;  ///< Its application_name.
  std::string server;   ///< "host:port/database".
  std::string doing;    ///< The beginning of the statement: "COMMIT".
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
};

/// "COMMIT of pid 4711 (pgfanout/20260101T020000-ab12/target) on db1:5432/app".
[[nodiscard]] std::string text_of(const ServerWait& wait);
/// The beginning of a statement, in one line.
[[nodiscard]] std::string excerpt_of(std::string_view sql);

class ServerWaits {
 public:
  /// Those of the process.
  static ServerWaits& all();

  /// `waiter` tells the waits apart.
  void begin(const void* waiter, ServerWait wait);
  void end(const void* waiter);
  /// The connection was given up while the server may still work on the statement.
  void leave_behind(const void* waiter);
  /// A transaction has committed after its last statement had been asked to be cancelled.
  void note_cancelled_commit();

  /// The longest first.
  [[nodiscard]] std::vector<ServerWait> open() const;
  [[nodiscard]] std::vector<ServerWait> left_behind() const;
  [[nodiscard]] unsigned cancelled_commits() const;

 private:
  mutable std::mutex mutex_;
  std::map<const void*, ServerWait> open_;  // guarded by mutex_
  std::vector<ServerWait> left_;            // guarded by mutex_
  unsigned cancelled_commits_ = 0;          // guarded by mutex_
};

}  // namespace pgfanout
