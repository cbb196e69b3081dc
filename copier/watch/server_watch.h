// Looks at one server again and again, on a connection of its own. Holds no lock between two looks.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "copier/catalog/server_facts.h"
#include "copier/pg/connection.h"
#include "copier/watch/histories.h"
#include "copier/watch/host_look.h"
#include "copier/watch/reading.h"
#include "copier/watch/session_look.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/watch.h"

namespace pgfanout {

class ServerWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `ending` ends what waits for the server; it outlives this.
  ServerWatch(ConnectOptions options, std::string prefix, const Cancellation& ending)
      : options_(std::move(options)), prefix_(std::move(prefix)), ending_(ending) {}

  /// Reconnects where needed, a moment after the last attempt. False: not now, and problem() says
  /// why.
  bool is_ready(Moment now);
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// For a ready one. A failure closes the connection: the next look reconnects.
  Result<SessionLook> sessions(ServerPart part);
  Result<ServerFacts> facts();

  /// For the target's server: all but errors and lock waits. Measures that cannot be had at all
  /// stand in unmeasurable().
  [[nodiscard]] std::map<Measure, Reading> look(Moment now);
  [[nodiscard]] const std::map<Measure, std::string>& unmeasurable() const { return unmeasurable_; }
  /// Of the file system that disk_free is about.
  [[nodiscard]] std::optional<double> disk_size() const { return disk_size_; }

 private:
  template <class T>
  Result<T> kept(Result<T> looked);
  Result<void> find_ways();
  Reading disk();
  Result<Reading> replica_lag(Moment now);
  Result<Reading> checkpoints(Moment now);

  const ConnectOptions options_;
  const std::string prefix_;
  const Cancellation& ending_;
  std::optional<Connection> connection_;
  std::optional<Moment> tried_;
  std::string problem_;
  bool knows_ways_ = false;
  std::optional<HostLook> host_;
  std::string data_path_;
  std::string wal_path_;
  std::optional<double> disk_size_;
  std::map<Measure, std::string> unmeasurable_;
  WalHistory wal_;
  LastMinute requested_;
};

}  // namespace pgfanout
