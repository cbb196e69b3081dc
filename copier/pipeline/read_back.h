// Reads the committed target again, through the same decoder and hasher, and books what is there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "copier/base/pace.h"
#include "copier/layout/layout.h"
#include "copier/pipeline/row_stream.h"
#include "copier/reconcile/ledger.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

struct ReadBack {
  const std::vector<SourceRange>& ranges;  ///< Of the target's leaves; `leaf` is the lane's number.
  const RowLayout& row_layout;
  const KeyExpression& key;
  const Layout& layout;
  std::vector<std::unique_ptr<RangeSource>> sources;
  std::uint64_t memory_bytes = 0;
  const Pace* pace = nullptr;  ///< Obeyed by the readers; absent: full speed.
  /// Called on a reader's thread once all of a leaf was read and booked.
  std::function<void(std::uint32_t leaf)> leaf_done = {};
};

/// Fills the read-back columns of `ledger`; a leaf is marked once all its ranges were read.
Result<void> run_read_back(ReadBack read, Ledger& ledger, JobCounters& counters,
                           const Cancellation& cancellation);

}  // namespace pgfanout
