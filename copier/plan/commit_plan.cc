#include "copier/plan/commit_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/base/counted.h"

namespace pgfanout {
namespace {

/// The most that an interrupted copy of some minutes can lose, and how much an interruption of a
/// longer one repeats.
constexpr std::uint64_t kMostByLeaf = 16ULL << 30U;
constexpr std::uint64_t kUsualEpoch = 2ULL << 30U;
constexpr std::uint64_t kRejectingEpoch = 256ULL << 20U;

CommitPlan epochs_of(std::uint64_t bytes, std::string reason) {
  return {false, std::max<std::uint64_t>(1, bytes), false, std::move(reason)};
}

Result<CommitPlan> choose(const JobDescription& job, std::uint64_t bytes, std::uint64_t rows,
                          bool sets_aside) {
  const CommitEvery& wish = job.commit_every;
  switch (wish.unit) {
    case CommitEvery::Unit::leaf:
      if (sets_aside) {
        return refused("usage",
                       "with one transaction per leaf no row that the target refuses could be set "
                       "aside",
                       "leave --reject-limit or --commit-every leaf out", "--commit-every");
      }
      return CommitPlan{true, 0, false, "as --commit-every says"};
    case CommitEvery::Unit::bytes:
      return epochs_of(wish.amount, "as --commit-every says");
    case CommitEvery::Unit::rows: {
      constexpr std::uint64_t kBytesOfUnknownRow = 200;
      const double row_bytes = rows == 0 ? static_cast<double>(kBytesOfUnknownRow)
                                         : static_cast<double>(bytes) / static_cast<double>(rows);
      return epochs_of(static_cast<std::uint64_t>(row_bytes * static_cast<double>(wish.amount)),
                       fmt::format("{}, as --commit-every says", rows_text(wish.amount)));
    }
    case CommitEvery::Unit::automatic:
      break;
  }
  if (sets_aside) return epochs_of(kRejectingEpoch, "since rows may be set aside");
  if (bytes > kMostByLeaf) {
    return epochs_of(kUsualEpoch, "since the table is larger than " + amount_of_bytes(kMostByLeaf));
  }
  return CommitPlan{true, 0, false,
                    "since the table is not larger than " + amount_of_bytes(kMostByLeaf)};
}

}  // namespace

Result<CommitPlan> plan_commits(const JobDescription& job, std::uint64_t bytes,
                                std::uint64_t rows) {
  const bool sets_aside = job.reject_limit.rows > 0 || job.reject_limit.percent.value_or(0) > 0;
  PGFANOUT_TRY_ASSIGN(CommitPlan plan, choose(job, bytes, rows, sets_aside));
  plan.sets_aside = sets_aside;
  return plan;
}

std::vector<SourceRange> cut_epochs(const std::vector<LeafSize>& leaves, std::size_t readers,
                                    const CommitPlan& commits) {
  if (commits.by_leaf) return cut_ranges_for(leaves, readers);
  // Several ranges a reader, so that readers end an epoch together.
  constexpr std::uint64_t kRangesAReader = 4;
  constexpr std::uint64_t kLargest = 32ULL << 20U;
  const std::uint64_t share =
      commits.epoch_bytes / (kRangesAReader * std::max<std::size_t>(1, readers));
  std::vector<SourceRange> ranges =
      cut_ranges(leaves, std::clamp<std::uint64_t>(share, 1, kLargest));
  std::uint32_t epoch = 1;
  std::uint64_t bytes = 0;
  for (SourceRange& range : ranges) {
    if (bytes >= commits.epoch_bytes) {
      ++epoch;
      bytes = 0;
    }
    range.epoch = epoch;
    bytes += range.estimated_bytes;
  }
  return ranges;
}

}  // namespace pgfanout
