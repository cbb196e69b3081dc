// Whether any transaction has written on a server meanwhile: what can be known without a lock.
#pragma once

#include <string>
#include <utility>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

class QuietServer {
 public:
  /// As seen by the snapshot that this statement uses.
  static Result<QuietServer> watch(Connection& connection) {
    PGFANOUT_TRY_ASSIGN(const Rows now,
                        connection.query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text,"
                                         " pg_snapshot_xmax(pg_current_snapshot())::text"));
    return QuietServer(now.text(0, 0) == now.text(0, 1), now.str(0, 1));
  }

  /// False if a transaction was writing then, or has begun to write since. `connection` must not be
  /// in a transaction that keeps one snapshot.
  [[nodiscard]] bool has_stayed_quiet(Connection& connection) const {
    const auto now = watch(connection);
    return now && was_idle_ && now->next_transaction_ == next_transaction_;
  }

 private:
  QuietServer(bool was_idle, std::string next_transaction)
      : was_idle_(was_idle), next_transaction_(std::move(next_transaction)) {}

  bool was_idle_ = false;
  std::string next_transaction_;  ///< The first transaction id that was not given yet.
};

}  // namespace pgfanout
