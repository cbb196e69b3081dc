// The copy itself: rows from the source's ranges into the lanes of the target's leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "copier/base/pace.h"
#include "copier/layout/layout.h"
#include "copier/pipeline/row_stream.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/lane_writer.h"
#include "copier/stage/rejects.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// One epoch of it: ranges whose rows are committed together.
struct FanOut {
  const std::vector<SourceRange>& ranges;
  std::uint32_t epoch = 1;
  const RowLayout& row_layout;
  const KeyExpression& key;
  const Layout& layout;
  std::span<const std::unique_ptr<RangeSource>> sources;
  LaneChannels& writers;                   ///< None is in a transaction.
  const std::vector<LaneTarget>& targets;  ///< One a leaf.
  const std::vector<bool>& done;  ///< Leaves that have this epoch's rows already; empty: none.
  std::uint64_t memory_bytes = 0;
  bool sets_aside = false;  ///< Rows that the servers refuse go to the rejects.
  /// A range whose reader was lost gives the same rows again.
  bool can_replay = false;
  const Pace* pace = nullptr;  ///< Obeyed by the readers; absent: full speed.
};

/// Loads the epoch: the servers have taken all of its rows, in transactions that stay open for
/// commit_lanes(). Or returns the first error; then all writers are closed, which rolls back.
/// Bounded in memory by `memory_bytes`, rows larger than that apart.
Result<void> run_fan_out(FanOut copy, Ledger& ledger, Rejects& rejects, JobCounters& counters,
                         const Cancellation& cancellation);

}  // namespace pgfanout
