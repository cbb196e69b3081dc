// Measures one server again and again, on a connection of its own. Holds no lock between samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/catalog/server_facts.h"
#include "copier/pg/connection.h"
#include "copier/watch/host_figures.h"
#include "copier/watch/session_waits.h"
#include "copier/watch/thresholds.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// Where the WAL's end was, and when. A standby's lag is how long ago the end was where the standby
/// is now: also right for a standby that reports nothing any more. Pure: time is given.
class WalHistory {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  void note(Moment now, std::int64_t position);
  /// 0 for a standby that has everything. Positions older than the history count from its begin.
  [[nodiscard]] double seconds_behind(Moment now, std::int64_t replayed) const;

 private:
  std::deque<std::pair<Moment, std::int64_t>> ends_;  // positions grow
};

/// Growth of a counter within the last minute. Pure: time is given.
class LastMinute {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// Takes the counter's value and returns the growth. A counter that was reset starts from zero.
  std::int64_t note(Moment now, std::int64_t counter);

 private:
  std::deque<std::pair<Moment, std::int64_t>> counts_;
};

class ServerWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `prefix`: that of the job's application_name. `ending` ends what waits for the server; it
  /// outlives this.
  ServerWatch(ConnectOptions options, std::string prefix, const Cancellation& ending)
      : options_(std::move(options)), prefix_(std::move(prefix)), ending_(ending) {
    options_.cancellation = &ending;
  }

  /// Reconnects where needed, two seconds after the last attempt. False: not now, and problem()
  /// says why.
  bool is_ready(Moment now);
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// For a ready one. A failure closes the connection: the next sample reconnects.
  Result<JobSessions> sessions(const std::string& side);
  Result<ServerFacts> facts();

  /// All measures of the target's server but errors and lock waits.
  [[nodiscard]] std::map<Measure, Reading> measure(Moment now);
  /// Measures that this role, server or host does not allow, and why.
  [[nodiscard]] const std::map<Measure, std::string>& unmeasurable() const { return unmeasurable_; }
  /// Of the file system that disk_free is about.
  [[nodiscard]] std::optional<double> disk_size() const { return disk_size_; }

 private:
  template <class T>
  Result<T> or_close(Result<T> answer);
  Result<void> find_ways();
  Reading disk();
  Result<Reading> replica_lag(Moment now);
  Result<Reading> checkpoints(Moment now);
  Result<Reading> wal_waiting(Moment now);

  ConnectOptions options_;
  const std::string prefix_;
  const Cancellation& ending_;
  std::optional<Connection> connection_;
  std::optional<Moment> tried_;
  std::string problem_;
  bool knows_ways_ = false;
  std::optional<HostMeter> host_;
  std::string data_path_;
  std::string wal_path_;
  std::optional<double> disk_size_;
  std::map<Measure, std::string> unmeasurable_;
  WalHistory wal_;
  LastMinute requested_;
  bool archives_ = false;
  std::optional<Moment> wal_waiting_read_;
  Reading wal_waiting_;
};

}  // namespace pgfanout
