#include "copier/preflight/estimates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

/// Needed for certain, and needed at the most, on one file system.
struct Demand {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::string what;
};

Issue judge(const Demand& demand, const DiskRoom& room, const std::string& where) {
  const std::string message = fmt::format(
      "{} needed for {}; {} are free at {}",
      demand.most > demand.least
          ? fmt::format("{} to {}", amount_of_bytes(demand.least), amount_of_bytes(demand.most))
          : amount_of_bytes(demand.least),
      demand.what, amount_of_bytes(room.free_bytes), room.path);
  if (room.free_bytes < demand.least) {
    return {Severity::error, "disk-full", message, where, "free space there, or add a volume"};
  }
  if (room.free_bytes < demand.most) {
    return {Severity::warning, "disk-tight",
            message + ": enough only as long as WAL is archived, sent and removed in time", where,
            "free space there, or watch pg_wal while the job runs"};
  }
  return {Severity::info, "disk", message, where, {}};
}

double largest_over_mean(const std::vector<std::uint64_t>& of_leaf) {
  const std::uint64_t total = std::accumulate(of_leaf.begin(), of_leaf.end(), std::uint64_t{0});
  if (total == 0) return 0;
  const std::uint64_t largest = *std::max_element(of_leaf.begin(), of_leaf.end());
  return static_cast<double>(largest) * static_cast<double>(of_leaf.size()) /
         static_cast<double>(total);
}

// Ratios to the time in which one connection reads the source once, measured with 400,000 and
// 1,000,000 rows of 600 bytes, server and client on one host. Other machines differ little:
// reading, writing and sorting share disk and processors there, too.

/// Rows are also routed, sent, written and logged by the target's server.
constexpr double kCopyPerRead = 4.0;
/// Each connection beyond the first adds this to the rate of reading.
constexpr double kFurtherConnection = 0.7;
/// An index is also sorted and written.
constexpr double kIndexBytesPerRead = 5.0;
/// The server's own scan of all rows, without COPY's conversion: for checks and index builds.
constexpr double kScanPerRead = 0.1;
/// Checking a foreign key is a join.
constexpr double kForeignKeyPerRead = 0.5;
/// ANALYZE takes a sample of each leaf, and another for the parent; small leaves are taken whole.
constexpr double kAnalyzePerRead = 3.0;
constexpr double kAnalyzedRows = 30'000;
/// Reading a table again that the server does not hold in its buffers, whose dirty pages it writes
/// at the same time.
constexpr double kColdPerRead = 1.0;
constexpr double kSwapSeconds = 0.3;

// The work for a leaf, or for an index of it, that is the same however few rows it has: ratios to
// the time in which the server makes a table with an index, measured with 100 and 1,000 leaves of
// 20 rows, without and with five indexes, on a file system in memory and on a disk.
struct LeafRatio {
  double leaf;
  double index;  ///< Of each index of the leaf.
};
constexpr LeafRatio kFenceRatio{3.0, 0};
constexpr LeafRatio kCopyRatio{7.5, 0};
constexpr LeafRatio kIndexRatio{0, 0.9};
constexpr LeafRatio kConstraintsRatio{0.9, 0.2};
constexpr LeafRatio kAnalyzeRatio{0.7, 0};
constexpr LeafRatio kVerifyRatio{1.4, 0.4};
constexpr LeafRatio kSwapRatio{1.3, 0.2};
/// Where it could not be measured.
constexpr double kAssumedSeconds = 0.001;

/// Build time of a method against a B-tree's of the same size.
double method_factor(const std::string& method) {
  if (method == "btree") return 1;
  if (method == "brin") return 0.5;
  if (method == "hash") return 2;
  if (method == "gin" || method == "gist" || method == "spgist") return 5;
  return 20;  // Vector indexes and others of extensions.
}

double parallel(std::uint32_t connections) {
  return 1 + kFurtherConnection * (std::max(connections, 1U) - 1);
}

/// The share of all rows that ANALYZE reads.
double analyzed_share(const Workload& workload) {
  const auto rows = static_cast<double>(workload.rows);
  const double sampled = kAnalyzedRows * static_cast<double>(workload.leaves + 1);
  return rows <= sampled ? 1 : sampled / rows;
}

/// The gates' price at one place: stage `of` goes over the leaves again, or at least ANALYZE does.
double seconds_of_gate(LeafStage of, const Workload& workload) {
  const bool reads_all = of == LeafStage::constraints && workload.foreign_keys > 0;
  const bool samples = last_leaf_stage(of, workload.gates) == LeafStage::analyze;
  if (of == LeafStage::index || !(reads_all || samples) ||
      stage_of_leaves(of, workload.gates) != of || workload.bytes_per_second <= 0 ||
      workload.row_bytes <= workload.buffer_bytes) {
    return 0;
  }
  return kColdPerRead * (reads_all ? 1 : analyzed_share(workload)) *
         static_cast<double>(workload.row_bytes - workload.buffer_bytes) /
         workload.bytes_per_second / parallel(workload.index_jobs);
}

/// Of all indexes, one after the other.
double build_seconds(const Workload& workload, double one_read) {
  double seconds = 0;
  for (const IndexWork& index : workload.indexes) {
    seconds += one_read * kScanPerRead + kIndexBytesPerRead * method_factor(index.method) *
                                             static_cast<double>(index.bytes) /
                                             workload.bytes_per_second;
  }
  return seconds;
}

std::uint64_t index_bytes(const Workload& workload) {
  std::uint64_t bytes = 0;
  for (const IndexWork& index : workload.indexes) bytes += index.bytes;
  return bytes;
}

}  // namespace

SpaceNeed space_need(std::uint64_t rows, std::uint64_t indexes, bool writes_wal,
                     std::uint64_t wal_limit) {
  SpaceNeed need{rows, indexes, 0, 0};
  if (!writes_wal) return need;
  // A row or an index entry is about as long in WAL as it is in its page.
  need.wal = rows + indexes;
  need.wal_kept = std::min(need.wal, wal_limit);
  return need;
}

std::vector<Issue> judge_space(const SpaceNeed& need, const ServerDisk& disk,
                               const std::string& where) {
  const std::uint64_t tables = need.rows + need.indexes;
  const std::string parts = fmt::format("the target ({} of rows, {} of indexes)",
                                        amount_of_bytes(need.rows), amount_of_bytes(need.indexes));
  if (!disk.data) {
    return {{Severity::warning, "disk-unseen",
             fmt::format("{} needed for {}, and up to {} for WAL; the free space is unknown: {}",
                         amount_of_bytes(tables), parts, amount_of_bytes(need.wal), disk.unseen),
             where,
             disk.data_path.empty() ? "run df on the server's data_directory"
                                    : fmt::format("run df {} on the server", disk.data_path)}};
  }
  if (disk.wal && disk.wal->device != disk.data->device) {
    return {judge({tables, tables, parts}, *disk.data, where),
            judge({need.wal_kept, need.wal, "WAL"}, *disk.wal, where)};
  }
  std::vector<Issue> issues = {
      judge({tables + need.wal_kept, tables + need.wal,
             fmt::format("{} and {} of WAL", parts, amount_of_bytes(need.wal))},
            *disk.data, where)};
  if (!disk.wal && need.wal > 0) {
    issues.front().hint += issues.front().hint.empty() ? "" : "; ";
    issues.front().hint += "pg_wal could not be read and is assumed to be on the same volume";
  }
  return issues;
}

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
  // The largest of n even leaves with mean m is about sqrt(2 m ln n) above m.
  estimate.by_chance = 1 + std::sqrt(2 * std::log(std::max(count, 1.0)) * count / sampled);
  return estimate;
}

std::vector<StageEstimate> estimate_stages(const Workload& workload) {
  const double rate = workload.bytes_per_second;
  const bool is_measured = workload.seconds_per_object > 0;
  const double each = is_measured ? workload.seconds_per_object : kAssumedSeconds;
  const auto indexes = static_cast<double>(workload.indexes.size());
  std::vector<StageEstimate> estimates;
  const auto add = [&](const char* stage, double seconds, std::uint64_t leaves, LeafRatio ratio,
                       const std::string& basis) {
    const double of_leaf = each * (ratio.leaf + ratio.index * indexes);
    estimates.push_back(
        {stage, seconds + of_leaf * static_cast<double>(leaves),
         fmt::format("{}{}{} leaves at {:.1f} ms{}", basis, basis.empty() ? "" : "; ", leaves,
                     1000 * of_leaf, is_measured ? "" : ", assumed")});
  };
  if (rate <= 0) {
    if (workload.row_bytes == 0) add("copy", 0, workload.leaves, kCopyRatio, "the source is empty");
    return estimates;
  }
  const double one_read = static_cast<double>(workload.row_bytes) / rate;
  const double read = one_read / parallel(workload.readers);
  const double builds = parallel(workload.index_jobs);
  const std::string measured =
      fmt::format("{} at {}/s by one connection, measured", amount_of_bytes(workload.row_bytes),
                  amount_of_bytes(static_cast<std::uint64_t>(rate)));
  const auto keys = static_cast<double>(workload.foreign_keys);
  // Of index, constraints and analyze: the work on leaves that the stage does itself.
  std::array<double, kLeafStages.size()> leaves{};
  const auto add_leaves = [&](LeafStage of, double seconds) {
    leaves.at(static_cast<std::size_t>(stage_of_leaves(of, workload.gates))) +=
        seconds + seconds_of_gate(of, workload);
  };
  add_leaves(LeafStage::index, build_seconds(workload, one_read) / builds);
  add_leaves(LeafStage::constraints,
             one_read * (kScanPerRead + kForeignKeyPerRead * keys) / builds);
  const auto tables = static_cast<double>(workload.leaves + 1);
  const double samples = one_read * kAnalyzePerRead * analyzed_share(workload);
  add_leaves(LeafStage::analyze, samples * (tables - 1) / tables);
  const auto by = [&](LeafStage of, const std::string& basis) {
    const LeafStage from = stage_of_leaves(of, workload.gates);
    if (from == of) return basis;
    return fmt::format("what the leaves need for it is done in stage {}", name_of(from));
  };
  const LeafRatio constraints{kConstraintsRatio.leaf * (1 + keys), kConstraintsRatio.index};
  add("prepare", 0, workload.source_leaves, kFenceRatio, "the fence around the source");
  add("copy", read * kCopyPerRead, workload.leaves, kCopyRatio,
      fmt::format("{}; {} readers; writing takes {:.0f} times as long as reading", measured,
                  workload.readers, kCopyPerRead));
  const LeafStage last = last_leaf_stage(LeafStage::index, workload.gates);
  add("index", leaves[0], workload.leaves, kIndexRatio,
      fmt::format("{} indexes of {} in all, {} builds at a time{}; by factors of the measured read",
                  workload.indexes.size(), amount_of_bytes(index_bytes(workload)),
                  workload.index_jobs,
                  last == LeafStage::index         ? ""
                  : last == LeafStage::constraints ? "; with each leaf's constraints"
                                                   : "; with each leaf's constraints and ANALYZE"));
  add("constraints", leaves[1], workload.leaves, constraints,
      by(LeafStage::constraints,
         fmt::format("a scan for the checks and a join for each of {} foreign keys; by factors of "
                     "the measured read",
                     workload.foreign_keys)));
  add("analyze", leaves[2] + samples / tables, workload.leaves, kAnalyzeRatio,
      by(LeafStage::analyze, fmt::format("{:.0f} % of all rows; by factors of the measured read",
                                         100 * analyzed_share(workload))));
  add("verify", 2 * read, workload.leaves, kVerifyRatio, "both sides are read: " + measured);
  add("swap", kSwapSeconds, workload.leaves + workload.source_leaves, kSwapRatio,
      "without waiting for other sessions");
  return estimates;
}

double seconds_of_gates(const Workload& workload) {
  return seconds_of_gate(LeafStage::constraints, workload) +
         seconds_of_gate(LeafStage::analyze, workload);
}

std::uint64_t fitting_lists(std::uint64_t rows) {
  constexpr std::uint64_t kMillion = 1'000'000;
  if (rows <= kMillion) return std::max<std::uint64_t>(1, rows / 1000);
  return static_cast<std::uint64_t>(std::sqrt(static_cast<double>(rows)));
}

}  // namespace pgfanout
