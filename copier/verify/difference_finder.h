// From "these elements differ" to rows that a person can look up: which are missing, extra, changed
// or misplaced, where they are on either side, and which columns changed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "copier/pipeline/compare_sides.h"
#include "copier/reconcile/comparison.h"
#include "copier/verify/row_fetcher.h"
#include "hashing/difference_sketch.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// A difference with both of its rows. Missing: no target; extra: no source; misplaced: the
/// target's row alone.
struct FoundDifference {
  RowDifference named;
  std::optional<FetchedRow> source;
  std::optional<FetchedRow> target;
};

struct FoundDifferences {
  Differences counts;  ///< Without rows: they stand in `rows`, at most the limit of them.
  std::vector<FoundDifference> rows;
  std::uint64_t set_aside = 0;  ///< Missing rows that the copy put into the reject table.
};

/// Connections and ranges that the finder reads with. Connections are in the transactions whose
/// snapshots were streamed.
struct FinderAccess {
  Connection& source;
  Connection& target;
  const std::vector<SourceRange>& source_ranges;
  const std::vector<SourceRange>& target_ranges;
  /// Opens both sides for another pass under the same snapshots.
  std::function<Result<BothSides>()> open_sides;
  std::uint64_t memory_bytes = 0;
  /// "<leaf> <ctid>" of rows of the source that were set aside.
  std::vector<std::string> set_aside;
};

class DifferenceFinder {
 public:
  DifferenceFinder(const VerifyPlan& plan, FinderAccess access, std::size_t max_named,
                   JobCounters& counters, const Cancellation& cancellation);

  /// `sketch` and `books` as the comparison left them. Needs a second pass over both sides if rows
  /// have no identity of fixed width, or if the sketch overflowed: then over the groups that differ
  /// alone, as many at a time as the memory allows.
  Result<FoundDifferences> find(DifferenceSketch sketch, const Comparison& books);

  /// Whether the sketch named all differences by itself.
  [[nodiscard]] bool was_complete() const { return was_complete_; }

 private:
  struct FetchedSides {
    std::vector<FetchedRow> source;
    std::vector<FetchedRow> target;
  };
  Result<void> find_by_identity(const std::vector<DifferenceSketch::Difference>& elements);
  Result<void> find_by_name(const std::vector<DifferenceSketch::Difference>& elements);
  Result<void> find_by_group(const Comparison& books);
  Result<void> take_collected(CollectedSides rows);
  Result<void> take_out_set_aside(std::vector<CollectedRow>& rows);
  Result<void> add_misplaced(const Comparison& books);
  void add_pairs(FetchedSides rows);
  void add(std::string kind, std::optional<FetchedRow> source, std::optional<FetchedRow> target);
  [[nodiscard]] bool is_set_aside(const RowAddress& address) const;
  [[nodiscard]] std::string text_of(Side side, const RowAddress& address) const;

  const VerifyPlan& plan_;
  FinderAccess access_;
  const std::size_t max_named_;
  JobCounters& counters_;
  const Cancellation& cancellation_;
  RowFetcher source_;
  RowFetcher target_;
  bool was_complete_ = false;
  std::vector<RowAddress> misplaced_;    // Sorted; as many as the books name.
  std::uint64_t counted_otherwise_ = 0;  // Misplaced rows that are changed or extra as well.
  FoundDifferences found_;
};

}  // namespace pgfanout
