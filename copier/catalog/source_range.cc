#include "copier/catalog/source_range.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/lists.h"

namespace pgfanout {
namespace {

/// Number of a leaf's ranges: by all its bytes, but at most its number of pages, since a range is
/// cut between pages only.
std::uint64_t range_count(const LeafSize& size, std::uint64_t range_bytes) {
  if (size.blocks == 0 || range_bytes == 0) return 1;
  const std::uint64_t wanted =
      size.total_bytes / range_bytes + (size.total_bytes % range_bytes == 0 ? 0 : 1);
  return std::clamp<std::uint64_t>(wanted, 1, size.blocks);
}

/// part * whole / parts without overflow, for part <= parts.
std::uint64_t share(std::uint64_t whole, std::uint64_t part, std::uint64_t parts) {
  return whole / parts * part + whole % parts * part / parts;
}

}  // namespace

std::vector<SourceRange> cut_ranges(const std::vector<LeafSize>& leaves,
                                    std::uint64_t range_bytes) {
  std::vector<SourceRange> ranges;
  for (std::uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
    const LeafSize& size = leaves[leaf];
    const std::uint64_t count = range_count(size, range_bytes);
    for (std::uint64_t at = 0; at < count; ++at) {
      SourceRange range{
          leaf, share(size.blocks, at, count), share(size.blocks, at + 1, count),
          share(size.total_bytes, at + 1, count) - share(size.total_bytes, at, count)};
      // Pages that are added after the sizes were taken belong to the last range.
      if (at + 1 == count) range.end_block.reset();
      ranges.push_back(range);
    }
  }
  std::ranges::stable_sort(ranges, [](const SourceRange& a, const SourceRange& b) {
    return a.estimated_bytes > b.estimated_bytes;
  });
  return ranges;
}

std::vector<SourceRange> cut_ranges_for(const std::vector<LeafSize>& leaves, std::size_t readers) {
  constexpr std::uint64_t kSmallest = 1ULL << 20U;
  constexpr std::uint64_t kLargest = 32ULL << 20U;
  constexpr std::uint64_t kRangesAReader = 16;
  const std::uint64_t share =
      sum_of(leaves, &LeafSize::total_bytes) / (kRangesAReader * std::max<std::size_t>(1, readers));
  return cut_ranges(leaves, std::clamp(share, kSmallest, kLargest));
}

std::string range_condition(const SourceRange& range) {
  std::string condition =
      fmt::format(" WHERE ctid OPERATOR(pg_catalog.>=) '({},0)'", range.first_block);
  if (range.end_block) {
    condition += fmt::format(" AND ctid OPERATOR(pg_catalog.<) '({},0)'", *range.end_block);
  }
  return condition;
}

}  // namespace pgfanout
