// When rows are committed: all at the end, a transaction a leaf (FREEZE, cheapest afterwards), or
// in epochs, each a part of the source, so that an interruption repeats at most one of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/source_range.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct CommitPlan {
  bool by_leaf = true;
  std::uint64_t epoch_bytes = 0;  ///< Of the source on disk; 0 by leaf.
  bool sets_aside = false;        ///< Rows that the target refuses are set aside, one by one.
  std::string reason;             ///< For people: why so.
};

/// As the job says, else by size: by leaf for what takes minutes. `rows` may be 0 if unknown.
Result<CommitPlan> plan_commits(const JobDescription& job, std::uint64_t bytes, std::uint64_t rows);

/// Ranges for that many readers, numbered by epochs from 1 without gaps.
[[nodiscard]] std::vector<SourceRange> cut_epochs(const std::vector<LeafSize>& leaves,
                                                  std::size_t readers, const CommitPlan& commits);

}  // namespace pgfanout
