#include "copier/pipeline/fan_out.h"

#include <algorithm>
#include <thread>

#include "copier/base/caught.h"
#include "copier/base/crash_point.h"
#include "copier/stage/route.h"
#include "copier/stage/row_batch.h"

namespace pgfanout {
namespace {

/// Lanes with a connection of their own keep their COPY open, so small batches cost nothing; lanes
/// that share one pay a COPY statement for each time they are served. Beyond the largest, the
/// processors' caches lose more than statements cost (docs/PERFORMANCE.md).
std::size_t lane_batch_bytes(std::uint64_t budget_bytes, std::size_t lanes, bool is_shared) {
  constexpr std::uint64_t kSmallest = 16ULL << 10U;
  constexpr std::uint64_t kLargest = 256ULL << 10U;
  const std::uint64_t shares = (is_shared ? 3 : 6) * std::max<std::size_t>(1, lanes);
  return std::clamp<std::uint64_t>(budget_bytes / shares, kSmallest, kLargest);
}

Result<void> fan_out(FanOut copy, Ledger& ledger, Rejects& rejects, JobCounters& counters,
                     const Cancellation& cancellation) {
  Stop stop(cancellation);
  const StreamCounters streams(counters, copy.sources.size(), copy.memory_bytes);
  MemoryBudget budget(copy.memory_bytes, streams.memory(), copy.pace);
  const RowFields fields(copy.row_layout);
  LaneSet lanes(copy.targets.size(),
                lane_batch_bytes(copy.memory_bytes, copy.targets.size(), copy.writers.is_shared()),
                budget, copy.sets_aside);
  Router router(fields, copy.layout, lanes, ledger, rejects, counters, copy.done);
  const ReaderOptions reading{read_batch_bytes(copy.memory_bytes, copy.sources.size()),
                              budget,
                              rejects,
                              stop,
                              streams.reading(true),
                              [&lanes] { lanes.seal_largest_if_idle(); },
                              copy.can_replay,
                              copy.pace};
  ReplayCheck replays(copy.ranges.size());
  const auto take = [&](const RowBatch& batch) -> Result<void> {
    const MultisetDigest digest = digest_of(batch);
    PGFANOUT_TRY_ASSIGN(const bool is_new, replays.take(batch, digest));
    if (!is_new) return {};
    ledger.add_read(batch.range, digest);
    return router.route(batch);
  };
  const auto range_done = [&](std::uint32_t range, std::uint64_t rows) {
    crash_point("reader-ended");
    ledger.complete_range(range, rows);
  };
  const LaneLoad load{copy.writers, copy.targets, lanes,          ledger,
                      rejects,      counters,     copy.sets_aside};
  std::jthread writing([&] { load_lanes(load, stop); });
  stop.guard("the readers", [&] {
    run_row_streams(
        {{copy.ranges, copy.sources, fields, copy.key, reading, take, range_done, copy.epoch}},
        stop);
    lanes.close();
  });
  writing.join();
  if (auto error = stop.error()) return *std::move(error);
  return {};
}

}  // namespace

Result<void> run_fan_out(FanOut copy, Ledger& ledger, Rejects& rejects, JobCounters& counters,
                         const Cancellation& cancellation) {
  return run_caught("the copy", [&] {
    return fan_out(std::move(copy), ledger, rejects, counters, cancellation);
  });
}

}  // namespace pgfanout
