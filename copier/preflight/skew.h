// How unevenly a key spreads rows over leaves, estimated from a sample. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pgfanout {

struct SkewEstimate {
  std::uint64_t rows = 0;          ///< Of the sample that have a leaf.
  std::uint64_t without_leaf = 0;  ///< Of the sample, those that have none.
  double by_rows = 0;              ///< Largest leaf over mean.
  double by_bytes = 0;
  /// Approximate skew that chance alone gives a perfectly even key in a sample of this size; a
  /// figure above it comes from the key.
  double by_chance = 0;
  std::size_t largest = 0;   ///< Leaf with the most rows.
  double largest_share = 0;  ///< Of all rows.
};

/// `leaf_of_row` has a leaf below `leaves` for each row, or more than that: no leaf. `row_bytes` is
/// parallel to it, or empty: by_bytes is then 0.
[[nodiscard]] SkewEstimate estimate_skew(std::size_t leaves,
                                         std::span<const std::uint32_t> leaf_of_row,
                                         std::span<const std::uint64_t> row_bytes);

}  // namespace pgfanout
