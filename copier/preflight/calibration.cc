#include "copier/preflight/calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

// Ratios to the time in which one connection reads the source once, measured with 400,000 and
// 1,000,000 rows of 600 bytes, server and client on one host. Other machines have others, but not
// by much: reading, writing and sorting share disk and processors there too.

/// Routed, sent, written and logged by the target's server, beside being read.
constexpr double kCopyPerRead = 4.0;
/// Each connection beyond the first adds this to the rate of reading.
constexpr double kFurtherConnection = 0.7;
/// An index is sorted and written; its bytes are dearer than those that are only read.
constexpr double kIndexBytesPerRead = 5.0;
/// The server's own scan of all rows, without COPY's conversion: for checks and index builds.
constexpr double kScanPerRead = 0.1;
/// Checking a foreign key is a join.
constexpr double kForeignKeyPerRead = 0.5;
/// ANALYZE takes a sample of each leaf, and another for the parent; small leaves are taken whole.
constexpr double kAnalyzePerRead = 3.0;
constexpr double kAnalyzedRows = 30'000;
constexpr double kSecondsPerLeaf = 0.003;
constexpr double kSecondsPerRename = 0.0002;
constexpr double kSwapSeconds = 0.5;

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

/// Of all rows, how many ANALYZE looks at.
double analyzed_share(const Workload& workload) {
  const auto rows = static_cast<double>(workload.rows);
  const double sampled = kAnalyzedRows * static_cast<double>(workload.leaves + 1);
  return rows <= sampled ? 1 : sampled / rows;
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

std::vector<StageEstimate> estimate_stages(const Workload& workload) {
  const double rate = workload.bytes_per_second;
  const double each_leaf = kSecondsPerLeaf * static_cast<double>(workload.leaves);
  if (rate <= 0) {
    if (workload.row_bytes > 0) return {};
    return {{"copy", each_leaf, "the source is empty"}};
  }
  const double one_read = static_cast<double>(workload.row_bytes) / rate;
  const double read = one_read / parallel(workload.readers);
  const double builds = parallel(workload.index_jobs);
  const std::string measured =
      fmt::format("{} at {}/s by one connection, measured", amount_of_bytes(workload.row_bytes),
                  amount_of_bytes(static_cast<std::uint64_t>(rate)));
  const auto keys = static_cast<double>(workload.foreign_keys);
  const double checks = one_read * (kScanPerRead + kForeignKeyPerRead * keys);
  return {
      {"prepare", each_leaf, fmt::format("{} leaves", workload.leaves)},
      {"copy", read * kCopyPerRead + each_leaf,
       fmt::format("{}; {} readers; writing takes {:.0f} times as long as reading", measured,
                   workload.readers, kCopyPerRead)},
      {"index", build_seconds(workload, one_read) / builds + each_leaf,
       fmt::format("{} indexes of {} in all, {} builds at a time; by factors of the measured read",
                   workload.indexes.size(), amount_of_bytes(index_bytes(workload)),
                   workload.index_jobs)},
      {"constraints", checks / builds + each_leaf,
       fmt::format("a scan for the checks and a join for each of {} foreign keys; by factors of "
                   "the measured read",
                   workload.foreign_keys)},
      {"analyze", one_read * kAnalyzePerRead * analyzed_share(workload) + each_leaf,
       fmt::format("{:.0f} % of all rows; by factors of the measured read",
                   100 * analyzed_share(workload))},
      {"verify", 2 * read, fmt::format("both sides are read: {}", measured)},
      {"swap", kSwapSeconds + kSecondsPerRename * static_cast<double>(workload.objects),
       fmt::format("{} objects to lock and rename, if nobody is in the way", workload.objects)}};
}

}  // namespace pgfanout
