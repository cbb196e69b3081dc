// Rows on their way from the lanes into their leaves: one thread drives all connections by events,
// so that no leaf waits for another, and no reader waits while any leaf can take rows.
//
// A connection serves one lane, or several where the server has fewer connections to give. All that
// it writes is one transaction. load_lanes() leaves the transactions open; the job decides whether
// they commit, and commit_lanes() commits them together with a marker in the journal for each lane.
// The marker tells later whether the rows were committed, even if the server's answer was lost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "copier/base/stop.h"
#include "copier/pg/write_channel.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/lane_set.h"
#include "copier/stage/rejects.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// The leaf that a lane writes.
struct LaneTarget {
  std::string name;      ///< For messages.
  std::string copy_sql;  ///< COPY leaf (...) FROM STDIN (FORMAT binary ...).
  /// The table that TRUNCATE empties first, in the same transaction; or none.
  std::string truncate = {};
};

/// A statement that goes with the rows.
struct LaneStatement {
  std::string sql;
  std::string expected_tag = {};  ///< "UPDATE 1"; empty: any.
};

/// Connections that write, and the lanes that each of them serves.
struct LaneChannels {
  std::vector<std::unique_ptr<WriteChannel>> channels;
  std::vector<std::size_t> channel_of;  ///< For each lane: index into channels.
  std::string begin = "BEGIN";          ///< Begins each transaction, and sets it up for the rows.

  /// A channel serves more than one lane.
  [[nodiscard]] bool is_shared() const { return channels.size() < channel_of.size(); }
};

/// References outlive the call.
struct LaneLoad {
  LaneChannels& writers;  ///< None is in a transaction.
  const std::vector<LaneTarget>& targets;
  LaneSet& lanes;
  Ledger& ledger;
  Rejects& rejects;
  JobCounters& counters;
  /// A row that its server refuses is set aside: each batch is a COPY in a savepoint of its own,
  /// and is halved around such rows. Else a channel with one lane keeps its COPY open to the end,
  /// and one with several keeps it open as long as batches wait.
  bool sets_aside = false;
};

/// Loads until the lanes are closed and the servers have taken all rows, or the pipeline stops. The
/// transactions stay open. The first error goes to `stop`; then all channels are closed.
void load_lanes(const LaneLoad& load, Stop& stop);

/// References outlive the call.
struct LaneCommit {
  LaneChannels& writers;  ///< As load_lanes() left them.
  const std::vector<LaneTarget>& targets;
  std::vector<LaneStatement> statements;  ///< For each lane: its marker; empty: it has nothing new.
  bool completes_leaves = false;          ///< No more rows follow: set on the board.
  Ledger& ledger;                         ///< Lanes that commit are marked.
  JobCounters& counters;
};

/// Runs each lane's statement, then commits. Returns the first error; then all channels are
/// closed, which rolls back those that have not committed.
Result<void> commit_lanes(const LaneCommit& commit, const Cancellation& cancellation);

}  // namespace pgfanout
