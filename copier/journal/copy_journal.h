// The journal of a copy: the source's ranges, the books of each epoch, and for each leaf what was
// committed, in the transaction of the rows themselves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/stage/lane_writer.h"
#include "hashing/row_digest.h"
#include "pgfanout/leaf_board.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The rows that a leaf of the target has.
struct LeafProgress {
  std::uint32_t epoch = 0;  ///< The last one that it has; 0: none.
  MultisetDigest rows;      ///< Committed by this job.
  std::uint64_t bytes = 0;
  MultisetDigest refused;  ///< Set aside because the server refused them.
  MultisetDigest before;   ///< Rows that it held when the job began.
};

/// The rows read for an epoch, journaled before they are committed.
struct EpochBooks {
  MultisetDigest read;
  MultisetDigest rejected;  ///< Rows among them that have no leaf.
};

struct CopyProgress {
  std::vector<SourceRange> ranges;
  std::vector<LeafProgress> leaves;           ///< In plan order.
  std::vector<std::string> leaf_names;        ///< Quoted; of a resumed copy.
  std::map<std::uint32_t, EpochBooks> books;  ///< By epoch.
  bool by_leaf = true;

  [[nodiscard]] std::uint32_t last_epoch() const;
  /// The first epoch that a leaf lacks; last_epoch() + 1 if none does.
  [[nodiscard]] std::uint32_t next_epoch() const;
  [[nodiscard]] std::uint64_t rows_committed() const;
};

/// The progress before anything is done.
[[nodiscard]] CopyProgress progress_of(const CopyPlan& plan);

class CopyJournal {
 public:
  CopyJournal(Connection& connection, std::string job)
      : connection_(connection), job_(std::move(job)) {}

  /// Inserts ranges and leaves, in the caller's transaction.
  Result<void> begin(const CopyProgress& progress, const CopyPlan& plan);
  /// Absent if the copy has not begun. Refuses if the source has lost a leaf since then.
  Result<std::optional<CopyProgress>> load(const Table& source);
  /// Of a copy that has begun, for people: "63 of 100 leaves committed, 1,234 rows".
  Result<std::string> committed_text();
  /// In the caller's transaction, before the epoch's rows are committed.
  Result<void> note_epoch(std::uint32_t epoch, const EpochBooks& books);
  /// The marker of a leaf's epoch, for the transaction of its rows. It takes effect once.
  [[nodiscard]] LaneStatement mark_leaf(std::uint32_t leaf, const LeafProgress& now) const;

 private:
  Connection& connection_;
  const std::string job_;
};

/// Shows the leaves of a finished copy, all in `state`, with names and rows from leaf_load. If the
/// journal cannot be read, nothing is shown.
void show_copied_leaves(Connection& target, const std::string& job, LeafState state,
                        LeafBoard& board);

}  // namespace pgfanout
