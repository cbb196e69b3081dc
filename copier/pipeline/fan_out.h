// The copy itself: rows from the source's ranges into the lanes of the target's leaves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "copier/pipeline/row_stream.h"
#include "copier/plan/leaf_map.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/lane_writer.h"
#include "copier/stage/rejects.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

struct FanOut {
  const std::vector<SourceRange>& ranges;
  const RowLayout& layout;
  const KeyExpression& key;
  const LeafMap& leaf_map;
  std::vector<std::unique_ptr<RangeSource>> sources;
  std::vector<std::unique_ptr<WriteChannel>> channels;  ///< Each has begun its transaction.
  std::vector<LaneTarget> targets;                      ///< One a leaf.
  std::uint64_t memory_bytes = 0;
  /// Asked once, when the servers have taken all rows: an error rolls everything back.
  std::function<Result<void>()> may_commit;
};

/// Runs until everything is committed, or returns the first error; then nothing that had not been
/// committed before stays. Bounded in memory by `memory_bytes`, rows larger than that apart.
Result<void> run_fan_out(FanOut copy, Ledger& ledger, Rejects& rejects, JobCounters& counters,
                         const Cancellation& cancellation);

}  // namespace pgfanout
