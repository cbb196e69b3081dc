#include "copier/pipeline/compare_sides.h"

#include <tbb/enumerable_thread_specific.h>

#include <functional>
#include <thread>

namespace pgfanout {
namespace {

/// Called for every hashed batch, concurrently.
using Visit = std::function<void(const Comparer&, Side, const RowBatch&, std::uint32_t leaf)>;

struct Run {
  const VerifyPlan& plan;
  std::uint64_t memory_bytes;
  const Pace* pace;
  MemoryBudget& budget;
  Comparison& books;
  const StreamCounters& counters;
  LeafBoard* leaves;
  Stop& stop;
};

void stream_side(const Run& run, Side side, SideStream stream, const Visit& visit) {
  Rejects no_rejects(0);
  const RowFields fields(layout_of(run.plan, side));
  const Comparer comparer(run.plan, side, fields, run.books);
  const bool is_source = side == Side::source;
  const ReaderOptions reading{
      .batch_bytes = read_batch_bytes(run.memory_bytes, 2 * stream.sources.size()),
      .budget = run.budget,
      .rejects = no_rejects,
      .stop = run.stop,
      .counters = is_source ? run.counters.reading() : run.counters.reading_back(),
      .pace = run.pace};
  run_row_stream({stream.ranges, stream.sources, fields, run.plan.key, reading,
                  [&](const RowBatch& batch) -> Result<void> {
                    const std::uint32_t leaf = stream.ranges[batch.range].leaf;
                    visit(comparer, side, batch, leaf);
                    if (!is_source && run.leaves != nullptr) {
                      run.leaves->add_rows(leaf, batch.expected_rows);
                    }
                    return {};
                  },
                  [&](std::uint32_t, std::uint64_t) { run.books.complete_range(side); }},
                 run.stop);
  // A reader of the other side may wait for memory that nobody gives back any more.
  if (run.stop.is_set()) run.budget.cancel();
}

Result<void> run_both(BothSides sides, Comparison& books, JobCounters& counters,
                      const Cancellation& cancellation, const Visit& visit) {
  Stop stop(cancellation);
  const StreamCounters streams(counters, sides.source.sources.size() + sides.target.sources.size(),
                               sides.memory_bytes);
  MemoryBudget budget(sides.memory_bytes, streams.memory());
  const Run run{sides.plan, sides.memory_bytes, sides.pace, budget, books,
                streams,    sides.leaves,       stop};
  const std::uint64_t source_ranges = sides.source.ranges.size();
  const std::uint64_t target_ranges = sides.target.ranges.size();
  std::jthread source(
      [&] { stop.guard([&] { stream_side(run, Side::source, std::move(sides.source), visit); }); });
  stop.guard([&] { stream_side(run, Side::target, std::move(sides.target), visit); });
  source.join();
  if (auto error = stop.error()) return *std::move(error);
  if (books.complete_ranges(Side::source) == source_ranges &&
      books.complete_ranges(Side::target) == target_ranges) {
    return {};
  }
  Error error = interrupted("incomplete", "a side was not read to its end");
  error.consequence = Consequence::unproven;
  return error;
}

}  // namespace

Result<DifferenceSketch> run_comparison(BothSides sides, std::size_t max_elements,
                                        Comparison& books, JobCounters& counters,
                                        const Cancellation& cancellation) {
  const std::size_t words = RowElements(sides.plan).words();
  tbb::enumerable_thread_specific<DifferenceSketch> sketches(
      [&] { return DifferenceSketch(words, max_elements); });
  PGFANOUT_TRY(
      run_both(std::move(sides), books, counters, cancellation,
               [&](const Comparer& comparer, Side, const RowBatch& batch, std::uint32_t leaf) {
                 comparer.compare(batch, leaf, &sketches.local());
               }));
  DifferenceSketch all(words, max_elements);
  for (const DifferenceSketch& sketch : sketches) all.merge(sketch);
  return all;
}

Result<CollectedSides> run_collection(BothSides sides, const CollectFilter& filter,
                                      JobCounters& counters, const Cancellation& cancellation) {
  const VerifyPlan& plan = sides.plan;
  RowCollector source(filter, plan.identity);
  RowCollector target(filter, plan.identity);
  Comparison no_books(group_count(plan), plan.source.leaves.size(), plan.target.leaves.size(), 0);
  PGFANOUT_TRY(
      run_both(std::move(sides), no_books, counters, cancellation,
               [&](const Comparer& comparer, Side side, const RowBatch& batch, std::uint32_t leaf) {
                 (side == Side::source ? source : target).collect(comparer, batch, leaf);
               }));
  return CollectedSides{source.take(), target.take()};
}

}  // namespace pgfanout
