// Binary COPY into each leaf by the hasher, router, lanes and writer of pgfanout itself. All leaves
// commit together.
#include <chrono>
#include <string>
#include <thread>

#include "bench/insert/insertion.h"
#include "copier/layout/leaf_map.h"
#include "copier/stage/lane_writer.h"
#include "copier/stage/route.h"
#include "copier/stage/row_batch.h"

namespace pgfanout::bench {
namespace {

/// Upper bound of a lane's batch, for wide rows.
constexpr std::uint64_t kMostBatchBytes = 256 << 10U;

LeafMap leaves_by(const KeyExpression& expression) {
  std::vector<std::vector<std::int64_t>> keys;
  for (std::int64_t key = 0; key < std::int64_t{kLeaves}; ++key) keys.push_back({key});
  return {{std::move(keys), {}, {}}, expression};
}

std::vector<LaneTarget> lane_targets(const InsertCase& each) {
  std::vector<LaneTarget> targets;
  for (std::uint32_t key = 0; key < kLeaves; ++key) {
    const std::string name = leaf_name(key);
    targets.push_back({name, copy_statement(each, name)});
  }
  return targets;
}

std::size_t batch_bytes(const Insertion& insertion) {
  const std::uint64_t row_bytes = insertion.rows.bytes() / insertion.rows.rows();
  return std::min(kMostBatchBytes, batch_rows_of(insertion.what) * (row_bytes + 10));
}

/// The state that the routing and the writing thread share.
struct FanOut {
  FanOut(const Insertion& insertion, KeyExpression routing)
      : key(std::move(routing)),
        fields(row_layout(insertion.what.sends_key())),
        leaves(leaves_by(key)),
        targets(lane_targets(insertion.what)),
        budget(4 * insertion.rows.bytes()),
        lanes(kLeaves, batch_bytes(insertion), budget),
        stop(insertion.cancellation) {}

  KeyExpression key;
  RowFields fields;
  LeafMap leaves;
  std::vector<LaneTarget> targets;
  MemoryBudget budget;
  LaneSet lanes;
  Ledger ledger{1, kLeaves};
  Rejects rejects{0};
  JobCounters counters;
  std::vector<bool> none_done;
  Stop stop;
};

/// Hashes and routes all rows; an error stops the writer.
void route_all(Insertion& insertion, FanOut& shared) {
  Router router(shared.fields, shared.leaves, shared.lanes, shared.ledger, shared.rejects,
                shared.counters, shared.none_done);
  KeyScratch scratch;
  for (RowBatch& batch : insertion.rows.batches()) {
    if (shared.stop.is_set()) break;
    hash_batch(shared.fields, shared.key, scratch, batch);
    if (auto routed = router.route(batch); !routed) shared.stop.record(std::move(routed).error());
  }
  shared.lanes.close();
}

}  // namespace

Result<double> insert_by_fan_out(Insertion& insertion) {
  LaneChannels writers;
  PGFANOUT_TRY_ASSIGN(writers.channels, open_channels(insertion));
  for (std::size_t lane = 0; lane < kLeaves; ++lane) {
    writers.channel_of.push_back(lane % writers.channels.size());
  }
  const bool is_hash = insertion.what.layout == Layout::hash;
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(is_hash ? kHashKey : kKeySql));
  FanOut shared(insertion, std::move(key));
  const LaneLoad load{writers,       shared.targets, shared.lanes,
                      shared.ledger, shared.rejects, shared.counters};
  const auto start = std::chrono::steady_clock::now();
  std::jthread writing([&] { load_lanes(load, shared.stop); });
  route_all(insertion, shared);
  writing.join();
  if (auto error = shared.stop.error()) return *std::move(error);
  PGFANOUT_TRY(commit_lanes({writers, shared.targets, std::vector<LaneStatement>(kLeaves), true,
                             shared.ledger, shared.counters},
                            insertion.cancellation));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return taken.count();
}

}  // namespace pgfanout::bench
