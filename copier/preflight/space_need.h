// The bytes that a job writes, against the free space. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/server_facts.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

struct SpaceNeed {
  std::uint64_t rows = 0;      ///< Heap and TOAST of the target.
  std::uint64_t indexes = 0;   ///< Of the target.
  std::uint64_t wal = 0;       ///< Written in all.
  std::uint64_t wal_kept = 0;  ///< Of that, what is on disk at one time if nothing holds it back.
};

/// `wal_limit`: max_wal_size and wal_keep_size together.
[[nodiscard]] SpaceNeed space_need(std::uint64_t rows, std::uint64_t indexes, bool writes_wal,
                                   std::uint64_t wal_limit);

/// One or two issues: error where the job cannot fit, warning where it fits only as long as WAL is
/// removed in time or where nobody could look, info where there is room for everything.
[[nodiscard]] std::vector<Issue> judge_space(const SpaceNeed& need, const ServerDisk& disk,
                                             const std::string& where);

}  // namespace pgfanout
