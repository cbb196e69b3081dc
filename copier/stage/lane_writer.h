// The writer: one thread that drives all connections of the lanes by events, so that no leaf waits
// for another and no reader waits while any leaf can take rows.
//
// A connection owns one lane, or several when the server has fewer connections to give. With one
// lane its COPY stays open to the end; with several, a COPY lasts as long as sealed batches wait.
// Everything a connection writes is one transaction; all commit together once `may_commit` agrees.
// Where rows may be set aside, each batch is a COPY in a savepoint of its own, and is halved around
// rows that the server refuses. A marker in the journal commits with the rows. It tells later
// whether they were committed, even if the server's answer was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "copier/base/stop.h"
#include "copier/pg/write_channel.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/lane_set.h"
#include "copier/stage/rejects.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// One leaf, as the writer needs it.
struct LaneTarget {
  std::string name;      ///< For messages.
  std::string copy_sql;  ///< COPY leaf (...) FROM STDIN (FORMAT binary ...).
  std::string truncate =
      {};  ///< Table that TRUNCATE empties first, in the same transaction; or none.
};

/// A statement that goes with the rows.
struct LaneStatement {
  std::string sql;
  std::string expected_tag = {};  ///< "UPDATE 1"; empty: any.
};

/// Callbacks that the writer asks while it works.
struct LaneQuestions {
  /// Once, when the servers have taken all rows: an error rolls everything back.
  std::function<Result<void>()> may_commit;
  /// Then, for each lane: what goes into its transaction after the rows. Checks, and the marker.
  std::function<std::vector<LaneStatement>(std::uint32_t lane)> before_commit;
  /// Then, for each lane: its transaction has committed.
  std::function<void(std::uint32_t lane)> committed = {};
};

class LaneWriter {
 public:
  /// Lane i is written by channel i modulo the number of channels; no channel is in a transaction.
  /// All references outlive the writer.
  LaneWriter(std::vector<std::unique_ptr<WriteChannel>>& channels,
             const std::vector<LaneTarget>& targets, LaneSet& lanes, Ledger& ledger,
             Rejects& rejects, JobCounters& counters, Stop& stop, LaneQuestions ask,
             bool sets_aside = false);
  ~LaneWriter();
  LaneWriter(const LaneWriter&) = delete;
  LaneWriter& operator=(const LaneWriter&) = delete;

  /// Runs until everything is committed or the pipeline stops. The first error goes to Stop; all
  /// channels are closed then, which rolls back those that have not committed.
  void run();

 private:
  enum class Phase : std::uint8_t { loading, drained, finishing, committing, done };
  struct Driver;

  Result<void> run_loop();
  Result<void> handle_events(int milliseconds);
  Result<void> look_for_stalls();
  Result<void> pump(Driver& driver);
  Result<bool> next_statement(Driver& driver);
  Result<bool> begin_copy(Driver& driver);
  Result<void> account_statement(Driver& driver);
  Result<bool> begin_transaction(Driver& driver);
  Result<bool> finish_lanes(Driver& driver);
  std::optional<LaneBatch> next_batch(Driver& driver);
  Result<bool> put_some(Driver& driver, ByteView bytes);
  Result<bool> feed(Driver& driver);
  Result<bool> next_piece(Driver& driver);
  Result<bool> begin_pieces(Driver& driver);
  Result<bool> feed_piece(Driver& driver);
  Result<void> account_piece(Driver& driver);
  Result<void> set_row_aside(Driver& driver);
  Result<void> bear(Driver& driver, Error error);
  Result<void> account_copy(Driver& driver);
  void count_sent(std::uint32_t lane, std::uint64_t rows);
  void count_busy(Driver& driver);
  void watch(Driver& driver);
  Error named(const Driver& driver, Error error) const;

  std::vector<std::unique_ptr<WriteChannel>>& channels_;
  const std::vector<LaneTarget>& targets_;
  LaneSet& lanes_;
  Ledger& ledger_;
  Rejects& rejects_;
  JobCounters& counters_;
  Stop& stop_;
  LaneQuestions ask_;
  const bool sets_aside_;
  std::vector<std::unique_ptr<Driver>> drivers_;
  std::size_t drained_ = 0;
  std::size_t done_ = 0;
  int epoll_ = -1;
};

}  // namespace pgfanout
