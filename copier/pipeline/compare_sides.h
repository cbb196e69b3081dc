// Streams both sides of a comparison at once through the row stream: once to book them and feed the
// sketch, and again to find rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "copier/base/pace.h"
#include "copier/pipeline/row_stream.h"
#include "copier/plan/verify_plan.h"
#include "copier/reconcile/comparison.h"
#include "copier/stage/compare.h"
#include "hashing/difference_sketch.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

struct SideStream {
  const std::vector<SourceRange>& ranges;
  std::vector<std::unique_ptr<RangeSource>> sources;
};

struct BothSides {
  const VerifyPlan& plan;
  SideStream source;
  SideStream target;
  std::uint64_t memory_bytes = 0;
  const Pace* pace = nullptr;   ///< Obeyed by the readers; absent: full speed.
  LeafBoard* leaves = nullptr;  ///< Of the target: rows that were read are added.
};

/// Books all rows of both sides. The sketch names up to `max_elements` elements that differ. An
/// error of either side ends both.
Result<DifferenceSketch> run_comparison(BothSides sides, std::size_t max_elements,
                                        Comparison& books, JobCounters& counters,
                                        const Cancellation& cancellation);

/// The rows of both sides that `filter` lets through.
Result<CollectedSides> run_collection(BothSides sides, const CollectFilter& filter,
                                      JobCounters& counters, const Cancellation& cancellation);

/// Counts and digests of the rows of `groups` that are in each of so many buckets.
Result<std::vector<GroupAccount>> run_bucket_count(BothSides sides, const std::vector<bool>& groups,
                                                   std::size_t buckets, JobCounters& counters,
                                                   const Cancellation& cancellation);

}  // namespace pgfanout
