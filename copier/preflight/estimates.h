// Estimates of a job before the window: disk space, the time of each stage, and how
// evenly the key fills the leaves. Pure; each figure says what it rests on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "copier/carry/leaf_stages.h"
#include "copier/catalog/server_facts.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

struct SpaceNeed {
  std::uint64_t rows = 0;      ///< Heap and TOAST of the target.
  std::uint64_t indexes = 0;   ///< Of the target.
  std::uint64_t wal = 0;       ///< Written in all.
  std::uint64_t wal_kept = 0;  ///< Of that, on disk at one time if nothing prevents its removal.
};

/// `wal_limit`: max_wal_size and wal_keep_size together.
[[nodiscard]] SpaceNeed space_need(std::uint64_t rows, std::uint64_t indexes, bool writes_wal,
                                   std::uint64_t wal_limit);

/// One or two issues: error where the job cannot fit, warning where it fits only if WAL is removed
/// in time or where the free space is unknown, info where everything fits.
[[nodiscard]] std::vector<Issue> judge_space(const SpaceNeed& need, const ServerDisk& disk,
                                             const std::string& where);

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

/// The properties of an index that determine the time of its build.
struct IndexWork {
  std::string method;  ///< "btree".
  std::uint64_t bytes = 0;
};

struct Workload {
  std::uint64_t row_bytes = 0;     ///< Heap and TOAST of the source.
  std::uint64_t rows = 0;          ///< By the source's statistics; 0: unknown.
  std::vector<IndexWork> indexes;  ///< Of the source, all leaves of one index together.
  std::uint64_t foreign_keys = 0;
  std::uint64_t leaves = 0;  ///< Of the target.
  std::uint64_t source_leaves = 0;
  std::uint32_t readers = 1;
  std::uint32_t index_jobs = 1;
  /// Heap and TOAST that one connection reads, converted by COPY, in a second; 0: not measured.
  double bytes_per_second = 0;
  /// In which the target's server makes a table with an index; 0: not measured.
  double seconds_per_object = 0;
  std::uint64_t buffer_bytes = 0;  ///< shared_buffers of the target's server; 0: not known.
  /// Stages behind which a person is asked: they part the work on a leaf, see last_leaf_stage().
  std::vector<std::string> gates;
};

/// For every stage of kWindowStages except preflight.
[[nodiscard]] std::vector<StageEstimate> estimate_stages(const Workload& workload);

/// The price of the gates, which estimate_stages() contains: each stage that must go over the
/// leaves again reads what the server could not keep in memory. 0: nothing, or no rate was
/// measured.
[[nodiscard]] double seconds_of_gates(const Workload& workload);

/// The lists that fit an ivfflat index over so many rows: rows / 1000, above a million their root.
[[nodiscard]] std::uint64_t fitting_lists(std::uint64_t rows);

}  // namespace pgfanout
