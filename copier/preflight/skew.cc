#include "copier/preflight/skew.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace pgfanout {
namespace {

double largest_over_mean(const std::vector<std::uint64_t>& of_leaf) {
  const std::uint64_t total = std::accumulate(of_leaf.begin(), of_leaf.end(), std::uint64_t{0});
  if (total == 0) return 0;
  const std::uint64_t largest = *std::max_element(of_leaf.begin(), of_leaf.end());
  return static_cast<double>(largest) * static_cast<double>(of_leaf.size()) /
         static_cast<double>(total);
}

}  // namespace

SkewEstimate estimate_skew(std::size_t leaves, std::span<const std::uint32_t> leaf_of_row,
                           std::span<const std::uint64_t> row_bytes) {
  SkewEstimate estimate;
  std::vector<std::uint64_t> rows(leaves);
  std::vector<std::uint64_t> bytes(leaves);
  for (std::size_t at = 0; at < leaf_of_row.size(); ++at) {
    const std::uint32_t leaf = leaf_of_row[at];
    if (leaf >= leaves) {
      ++estimate.without_leaf;
      continue;
    }
    ++estimate.rows;
    ++rows[leaf];
    if (!row_bytes.empty()) bytes[leaf] += row_bytes[at];
  }
  if (estimate.rows == 0) return estimate;
  estimate.by_rows = largest_over_mean(rows);
  estimate.by_bytes = largest_over_mean(bytes);
  estimate.largest = static_cast<std::size_t>(
      std::distance(rows.begin(), std::max_element(rows.begin(), rows.end())));
  const auto count = static_cast<double>(rows.size());
  const auto sampled = static_cast<double>(estimate.rows);
  estimate.largest_share = static_cast<double>(rows[estimate.largest]) / sampled;
  // The largest of n even leaves with mean m lies about sqrt(2 m ln n) above it.
  estimate.by_chance = 1 + std::sqrt(2 * std::log(std::max(count, 1.0)) * count / sampled);
  return estimate;
}

}  // namespace pgfanout
