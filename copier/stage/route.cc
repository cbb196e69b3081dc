#include "copier/stage/route.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

Reject reject_of(const RowBatch& batch, std::size_t row, std::string code, std::string reason) {
  Reject reject;
  reject.range = batch.range;
  reject.row = batch.first_row + row;
  reject.code = std::move(code);
  reject.reason = std::move(reason);
  const RowRef& whole = batch.index.rows[row];
  const std::uint8_t* begin = batch.bytes.data() + whole.offset;
  reject.bytes.assign(begin, begin + whole.length);
  return reject;
}

}  // namespace

void LeafBuckets::sort(const std::vector<std::uint32_t>& leaves_of_rows, std::size_t leaves) {
  starts_.assign(leaves + 1, 0);
  for (const std::uint32_t leaf : leaves_of_rows) {
    if (leaf != Layout::kNoLeaf) ++starts_[leaf + 1];
  }
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) starts_[leaf + 1] += starts_[leaf];
  next_.assign(starts_.begin(), starts_.end() - 1);
  rows_.resize(leaves_of_rows.size());
  for (std::uint32_t row = 0; row < leaves_of_rows.size(); ++row) {
    const std::uint32_t leaf = leaves_of_rows[row];
    if (leaf != Layout::kNoLeaf) rows_[next_[leaf]++] = row;
  }
}

Router::Router(const RowFields& fields, const Layout& layout, LaneSet& lanes, Ledger& ledger,
               Rejects& rejects, JobCounters& counters, const std::vector<bool>& done)
    : fields_(fields),
      layout_(layout),
      lanes_(lanes),
      ledger_(ledger),
      rejects_(rejects),
      counters_(counters),
      done_(done) {}

Result<void> Router::route(const RowBatch& batch) {
  thread_local LeafBuckets buckets;
  const std::size_t rows = batch.index.rows.size();
  buckets.leaf_of_row.resize(rows);
  layout_.route(layout_rows(fields_, batch), buckets.leaf_of_row);
  for (std::size_t row = 0; row < rows; ++row) {
    if (buckets.leaf_of_row[row] == Layout::kNoLeaf) PGFANOUT_TRY(set_aside(batch, row));
    if (fields_.layout().stored_key) compare_stored_key(batch, row);
  }
  buckets.sort(buckets.leaf_of_row, lanes_.size());
  std::uint64_t routed = 0;
  for (std::uint32_t leaf = 0; leaf < lanes_.size(); ++leaf) {
    const auto rows_of_leaf = buckets.rows_of(leaf);
    if (rows_of_leaf.empty()) continue;
    MultisetDigest digest;
    for (const std::uint32_t row : rows_of_leaf) digest.add(batch.digests[row]);
    if (!done_.empty() && done_[leaf]) {
      ledger_.add_repeated(leaf, digest);
      continue;
    }
    const std::uint64_t bytes = lanes_.append(leaf, fields_, batch, rows_of_leaf);
    ledger_.add_routed(leaf, digest, bytes);
    routed += rows_of_leaf.size();
  }
  counters_.rows_routed.fetch_add(routed, std::memory_order_relaxed);
  return {};
}

Result<void> Router::set_aside(const RowBatch& batch, std::size_t row) {
  auto [code, reason] = layout_.why_no_leaf(layout_rows(fields_, batch), row);
  PGFANOUT_TRY(rejects_.add(reject_of(batch, row, std::move(code), std::move(reason))));
  MultisetDigest rejected;
  rejected.add(batch.digests[row]);
  ledger_.add_rejected(rejected);
  counters_.rows_rejected.fetch_add(1, std::memory_order_relaxed);
  return {};
}

void Router::compare_stored_key(const RowBatch& batch, std::size_t row) {
  if (batch.states[row] != KeyState::ok) return;
  const auto stored = integer_field(batch, *fields_.stored_key(batch, row));
  if (stored == batch.keys[row]) return;
  Reject mismatch;
  mismatch.range = batch.range;
  mismatch.row = batch.first_row + row;
  mismatch.code = "key-mismatch";
  mismatch.reason = fmt::format("the stored key is {}, the recomputed one {}",
                                stored ? std::to_string(*stored) : "NULL", batch.keys[row]);
  rejects_.add_key_mismatch(std::move(mismatch));
}

}  // namespace pgfanout
