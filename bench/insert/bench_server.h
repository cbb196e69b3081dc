// Where the suite works: a throw-away server of its own, or a schema of its own on the user's.
// Whichever it is, nothing is left of it when the object goes.
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
  /// Starts or reaches it, and makes the schema. Refuses if the schema is there already. To be
  /// called by the thread that lives longest: the server ends with it. `cancellation` outlives
  /// this.
  static Result<std::unique_ptr<BenchServer>> open(const BenchRequest& request,
                                                   const Cancellation& cancellation);
  /// Drops the schema, or stops the server and removes its files.
  ~BenchServer();
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;

  /// A connection whose statements end when the suite is to stop.
  Result<Connection> connect() const;
  /// The connection for what is not measured.
  [[nodiscard]] Connection& session() { return *session_; }

  /// Drops the table that is there, makes the case's, and takes a checkpoint.
  Result<void> make_table(const InsertCase& each);
  /// The statements that build the indexes.
  Result<void> build_indexes(const InsertCase& each);

  /// Connections that the server can still give, beside session().
  [[nodiscard]] std::uint32_t free_connections() const { return free_connections_; }
  /// Absent rights leave checkpoints to the server's own schedule.
  [[nodiscard]] bool takes_checkpoints() const { return takes_checkpoints_; }
  [[nodiscard]] bool is_throw_away() const { return own_ != nullptr; }

 private:
  struct Own;  // The throw-away server.

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
