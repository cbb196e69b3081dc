// How long the stages of a window will take: a short measured read of the source, and factors for
// everything else. An estimate in every case; its basis says what it rests on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// An index as far as its build's time depends on it.
struct IndexWork {
  std::string method;  ///< "btree".
  std::uint64_t bytes = 0;
};

struct Workload {
  std::uint64_t row_bytes = 0;     ///< Heap and TOAST of the source.
  std::uint64_t rows = 0;          ///< By the source's statistics; 0: unknown.
  std::vector<IndexWork> indexes;  ///< Of the source, all leaves of one index together.
  std::uint64_t foreign_keys = 0;
  std::uint64_t leaves = 0;   ///< Of the target.
  std::uint64_t objects = 0;  ///< That the swap locks and renames.
  std::uint32_t readers = 1;
  std::uint32_t index_jobs = 1;
  /// Heap and TOAST that one connection reads, converted by COPY, in a second; 0: not measured.
  double bytes_per_second = 0;
};

/// For every stage of kWindowStages but preflight, which is over by then. Pure.
[[nodiscard]] std::vector<StageEstimate> estimate_stages(const Workload& workload);

}  // namespace pgfanout
