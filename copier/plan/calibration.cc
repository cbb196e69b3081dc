#include "copier/plan/calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/plan/amount.h"

namespace pgfanout {
namespace {

// Ratios to the time of reading the source once, measured on one server whose client was on the
// same host, with 1,000,000 rows of 600 bytes. Another machine has others, but not by much:
// reading, writing and sorting share its disk and its processors.

/// Routed, sent, written and logged by the target's server, beside being read.
constexpr double kCopyPerRead = 3.0;
/// What each connection beyond the first adds to the rate of reading.
constexpr double kFurtherConnection = 0.7;
/// A B-tree is sorted and written; its bytes are dearer than those that are only read.
constexpr double kIndexBytesPerRead = 4.0;
/// Every index build reads its leaf, without COPY's conversion.
constexpr double kScanPerRead = 0.3;
constexpr double kSecondsPerLeaf = 0.01;
constexpr double kSecondsPerRename = 0.0002;
constexpr double kSwapSeconds = 0.5;
/// Of a leaf, ANALYZE reads a sample; small leaves are read whole, and the parent samples them
/// again.
constexpr double kAnalyzePerRead = 0.5;

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

}  // namespace

std::vector<StageEstimate> estimate_stages(const Workload& workload) {
  const double rate = workload.bytes_per_second;
  const double bytes = static_cast<double>(workload.row_bytes);
  const auto leaves = static_cast<double>(workload.leaves);
  if (rate <= 0) {
    if (workload.row_bytes > 0) return {};
    return {{"copy", kSecondsPerLeaf * leaves, "the source is empty"}};
  }
  const double one_read = bytes / rate;
  const double read = one_read / parallel(workload.readers);
  const std::string measured =
      fmt::format("{} at {}/s by one connection, measured", amount_of_bytes(workload.row_bytes),
                  amount_of_bytes(static_cast<std::uint64_t>(rate)));
  double build = 0;
  std::uint64_t index_bytes = 0;
  for (const IndexWork& index : workload.indexes) {
    index_bytes += index.bytes;
    build += one_read * kScanPerRead + kIndexBytesPerRead * method_factor(index.method) *
                                           static_cast<double>(index.bytes) / rate;
  }
  const auto objects = static_cast<double>(workload.objects);
  return {
      {"prepare", 2 * kSecondsPerLeaf * leaves, fmt::format("{} leaves", workload.leaves)},
      {"copy", read * kCopyPerRead + kSecondsPerLeaf * leaves,
       fmt::format("{}; {} readers; writing takes {:.0f} times as long as reading", measured,
                   workload.readers, kCopyPerRead)},
      {"index", build / parallel(workload.index_jobs) + kSecondsPerLeaf * leaves,
       fmt::format("{} indexes of {} in all, {} builds at a time; by factors of the measured read",
                   workload.indexes.size(), amount_of_bytes(index_bytes), workload.index_jobs)},
      {"constraints",
       one_read * kScanPerRead * (1 + static_cast<double>(workload.foreign_keys)) /
               parallel(workload.index_jobs) +
           kSecondsPerLeaf * leaves,
       fmt::format("a scan for the checks and one for each of {} foreign keys",
                   workload.foreign_keys)},
      {"analyze", one_read * kAnalyzePerRead + kSecondsPerLeaf * leaves,
       "half the time of one read; less where leaves are large"},
      {"verify", 2 * read, fmt::format("both sides are read: {}", measured)},
      {"swap", kSwapSeconds + kSecondsPerRename * objects,
       fmt::format("{} objects to lock and rename, if nobody is in the way", workload.objects)}};
}

}  // namespace pgfanout
