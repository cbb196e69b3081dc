#include "copier/pipeline/compare_sides.h"

#include <tbb/enumerable_thread_specific.h>

#include <functional>

namespace pgfanout {
namespace {

/// Called for every hashed batch, concurrently.
using Visit = std::function<void(const Comparer&, Side, const RowBatch&, std::uint32_t leaf)>;

/// One side's stream, with what the stream refers to.
class SideRows {
 public:
  SideRows(const BothSides& sides, Side side, Comparison& books, const ReaderOptions& options,
           const Visit& visit)
      : sides_(sides),
        side_(side),
        books_(books),
        options_(options),
        visit_(visit),
        fields_(layout_of(sides.plan, side)),
        comparer_(sides.plan, side, fields_, books) {}

  [[nodiscard]] RowStream stream() const {
    const SideStream& own = side_ == Side::source ? sides_.source : sides_.target;
    return {own.ranges,
            own.sources,
            fields_,
            sides_.plan.key,
            options_,
            [this, &own](const RowBatch& batch) -> Result<void> {
              const std::uint32_t leaf = own.ranges[batch.range].leaf;
              visit_(comparer_, side_, batch, leaf);
              if (side_ == Side::target && sides_.leaves != nullptr) {
                sides_.leaves->add_rows(leaf, batch.expected_rows);
              }
              return {};
            },
            [this](std::uint32_t, std::uint64_t) { books_.complete_range(side_); }};
  }

 private:
  const BothSides& sides_;
  const Side side_;
  Comparison& books_;
  const ReaderOptions& options_;
  const Visit& visit_;
  const RowFields fields_;
  const Comparer comparer_;
};

Result<void> run_both(const BothSides& sides, Comparison& books, JobCounters& counters,
                      const Cancellation& cancellation, const Visit& visit) {
  Stop stop(cancellation);
  const std::size_t readers = sides.source.sources.size() + sides.target.sources.size();
  const StreamCounters streams(counters, readers, sides.memory_bytes);
  MemoryBudget budget(sides.memory_bytes, streams.memory(), sides.pace);
  Rejects no_rejects(0);
  ReaderOptions options{read_batch_bytes(sides.memory_bytes, readers), budget, no_rejects, stop};
  options.pace = sides.pace;
  options.counters = streams.reading();
  const SideRows source(sides, Side::source, books, options, visit);
  ReaderOptions target_options = options;
  target_options.counters = streams.reading_back();
  const SideRows target(sides, Side::target, books, target_options, visit);
  run_row_streams({source.stream(), target.stream()}, stop);
  if (auto error = stop.error()) return *std::move(error);
  if (books.complete_ranges(Side::source) == sides.source.ranges.size() &&
      books.complete_ranges(Side::target) == sides.target.ranges.size()) {
    return {};
  }
  return unproven("incomplete", "a side was not read to its end");
}

}  // namespace

Result<DifferenceSketch> run_comparison(BothSides sides, std::size_t max_elements,
                                        Comparison& books, JobCounters& counters,
                                        const Cancellation& cancellation) {
  const std::size_t words = RowElements(sides.plan).words();
  tbb::enumerable_thread_specific<DifferenceSketch> sketches(
      [&] { return DifferenceSketch(words, max_elements); });
  PGFANOUT_TRY(
      run_both(sides, books, counters, cancellation,
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
      run_both(sides, no_books, counters, cancellation,
               [&](const Comparer& comparer, Side side, const RowBatch& batch, std::uint32_t leaf) {
                 (side == Side::source ? source : target).collect(comparer, batch, leaf);
               }));
  return CollectedSides{source.take(), target.take()};
}

Result<std::vector<GroupAccount>> run_bucket_count(BothSides sides, const std::vector<bool>& groups,
                                                   std::size_t buckets, JobCounters& counters,
                                                   const Cancellation& cancellation) {
  const VerifyPlan& plan = sides.plan;
  BucketBooks books(groups, buckets, plan.identity);
  Comparison no_books(group_count(plan), plan.source.leaves.size(), plan.target.leaves.size(), 0);
  PGFANOUT_TRY(run_both(sides, no_books, counters, cancellation,
                        [&](const Comparer& comparer, Side side, const RowBatch& batch,
                            std::uint32_t) { books.add(comparer, side, batch); }));
  return books.take();
}

}  // namespace pgfanout
