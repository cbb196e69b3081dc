// Stage: sends every row to the lane of its leaf.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/layout/layout.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/lane_set.h"
#include "copier/stage/rejects.h"
#include "copier/stage/row_batch.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Rows of one batch sorted by leaf, in their order within each. Reused; one a thread.
class LeafBuckets {
 public:
  /// `leaf_of_row[i]` is a leaf, or Layout::kNoLeaf for rows that go nowhere.
  void sort(const std::vector<std::uint32_t>& leaf_of_row, std::size_t leaves);
  [[nodiscard]] std::span<const std::uint32_t> rows_of(std::uint32_t leaf) const {
    return {rows_.data() + starts_[leaf], starts_[leaf + 1] - starts_[leaf]};
  }
  std::vector<std::uint32_t> leaf_of_row;  ///< Scratch for the caller.

 private:
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> rows_;
};

/// Routes hashed batches. Thread-safe: batches may be routed concurrently.
class Router {
 public:
  /// All references outlive the router. A stored key that differs is counted, and the recomputed
  /// one is written: whether that may be committed is for the caller to say.
  /// Rows of leaves that are `done` (empty: none) have been committed before: they are booked, and
  /// dropped.
  Router(const RowFields& fields, const Layout& layout, LaneSet& lanes, Ledger& ledger,
         Rejects& rejects, JobCounters& counters, const std::vector<bool>& done);

  /// Appends the batch's rows to their lanes and books them. An error ends the job.
  Result<void> route(const RowBatch& batch);

 private:
  Result<void> set_aside(const RowBatch& batch, std::size_t row);
  void compare_stored_key(const RowBatch& batch, std::size_t row);

  const RowFields& fields_;
  const Layout& layout_;
  LaneSet& lanes_;
  Ledger& ledger_;
  Rejects& rejects_;
  JobCounters& counters_;
  const std::vector<bool>& done_;
};

}  // namespace pgfanout
