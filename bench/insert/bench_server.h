// The server of the suite: a throw-away server, or a schema of its own on the user's server. The
// destructor removes either.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/insert/insert_case.h"
#include "copier/cli/bench_request.h"
#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

class BenchServer {
 public:
  /// Starts a server or connects to one, and makes the schema. Refuses if the schema exists. Call
  /// it in the thread that lives longest, since the server ends with that thread. `cancellation`
  /// outlives this.
  static Result<std::unique_ptr<BenchServer>> open(const BenchRequest& request,
                                                   const Cancellation& cancellation);
  /// Drops the schema, or stops the server and removes its files.
  ~BenchServer();
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;

  /// A connection whose statements end when the suite is to stop.
  Result<Connection> connect() const { return connect(&cancellation_); }
  /// The connection for all that is not measured.
  [[nodiscard]] Connection& session() { return *session_; }

  /// Drops the table of the last case, makes that of this case, and takes a checkpoint.
  Result<void> make_table(const InsertCase& each);
  Result<void> build_indexes(const InsertCase& each);

  /// Connections that the server has left, without session().
  [[nodiscard]] std::uint32_t free_connections() const { return free_connections_; }
  /// False if the role may not take checkpoints.
  [[nodiscard]] bool takes_checkpoints() const { return takes_checkpoints_; }
  [[nodiscard]] bool is_throw_away() const { return own_ != nullptr; }

 private:
  [[nodiscard]] Result<Connection> connect(const Cancellation* cancellation) const;
  struct Own;  ///< The throw-away server.

  explicit BenchServer(const Cancellation& cancellation);
  Result<void> start(const std::string& bindir);
  Result<void> make_schema();
  Result<void> drop_schema();
  Result<void> run_all(const std::vector<std::string>& statements);

  const Cancellation& cancellation_;
  std::unique_ptr<Own> own_;
  std::string dsn_;
  std::unique_ptr<Connection> session_;
  std::uint32_t free_connections_ = 0;
  bool takes_checkpoints_ = false;
  bool has_schema_ = false;
};

}  // namespace pgfanout::bench
