// What the journal says about a copy: how the source was cut, what each epoch read, and, leaf by
// leaf, what was committed, in the transaction of the rows themselves.
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
#include "pgfanout/result.h"

namespace pgfanout {

/// What a leaf of the target has got.
struct LeafProgress {
  std::uint32_t epoch = 0;  ///< The last one that it has; 0: none.
  MultisetDigest rows;      ///< Committed by this job.
  std::uint64_t bytes = 0;
  MultisetDigest refused;  ///< Set aside since the server would not take them.
  MultisetDigest before;   ///< What it held when the job began.
};

/// What was read for an epoch, noted before its rows are committed.
struct EpochBooks {
  MultisetDigest read;
  MultisetDigest rejected;  ///< Rows among them that have no leaf.
};

struct CopyProgress {
  std::vector<SourceRange> ranges;
  std::vector<LeafProgress> leaves;           ///< In plan order.
  std::vector<std::string> leaf_names;        ///< Quoted; of a copy that goes on.
  std::map<std::uint32_t, EpochBooks> books;  ///< By epoch.
  bool by_leaf = true;
  bool checks_first = false;  ///< The leaves have had their checks since they were made.

  [[nodiscard]] std::uint32_t last_epoch() const;
  /// The first epoch that a leaf lacks; last_epoch() + 1 if none does.
  [[nodiscard]] std::uint32_t next_epoch() const;
  [[nodiscard]] std::uint64_t rows_committed() const;
};

/// Nothing is done yet.
[[nodiscard]] CopyProgress progress_of(const CopyPlan& plan);

class CopyJournal {
 public:
  CopyJournal(Connection& connection, std::string job)
      : connection_(connection), job_(std::move(job)) {}

  /// Writes ranges and leaves down, in the caller's transaction.
  Result<void> begin(const CopyProgress& progress, const CopyPlan& plan);
  /// Absent if the copy has not begun. Refuses if the source's leaves are others by now.
  Result<std::optional<CopyProgress>> load(const Table& source);
  /// In the caller's transaction, before the epoch's rows are committed.
  Result<void> note_epoch(std::uint32_t epoch, const EpochBooks& books);
  /// The marker that goes with the rows of a leaf's epoch. It takes effect once.
  [[nodiscard]] LaneStatement mark_leaf(std::uint32_t leaf, const LeafProgress& now) const;

 private:
  Connection& connection_;
  const std::string job_;
};

}  // namespace pgfanout
