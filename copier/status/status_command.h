// The status command: the state of the last job on a table, once or again and again (--watch), by
// the journal and the servers' own views. Reads only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/leaf_board.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// The state of a job at one moment.
struct JobSnapshot {
  struct Leaf {
    std::string name;
    std::uint64_t rows = 0;  ///< Committed, and those of a COPY that runs now.
    LeafState state = LeafState::waiting;
  };

  JobResult status{"status"};
  bool is_over = false;      ///< Nothing of the job is under way any more.
  std::string stage;         ///< That runs: "copy/read-back"; empty: none.
  bool by_leaf = true;       ///< The copy commits whole leaves at its end.
  std::uint32_t epoch = 0;   ///< That is being copied; 0: none.
  std::uint32_t epochs = 0;  ///< 0: there is no copy.
  std::vector<Leaf> leaves;
  std::uint64_t rows_expected = 0;   ///< In all leaves, an estimate; 0: unknown.
  std::uint64_t rows_committed = 0;  ///< Of all leaves.
  /// Of the source, by its ranges; 0: unknown. Done counts whole ranges that were read.
  std::uint64_t bytes_expected = 0;
  std::uint64_t bytes_done = 0;
  /// Rows and bytes that readers were seen reading since the watch began.
  std::uint64_t rows_seen = 0;
  std::uint64_t bytes_seen = 0;
  std::uint64_t steps_done = 0;
  std::uint64_t build_blocks_done = 0;  ///< Of the index builds that run now.
  std::uint64_t build_blocks_total = 0;
  std::uint64_t readers = 0;
  std::uint64_t readers_busy = 0;
  std::uint64_t writers = 0;
  std::uint64_t writers_busy = 0;
  std::vector<WaitCount> waits;
};

[[nodiscard]] JobResult run_status(const JobDescription& job, Observer& observer,
                                   const Cancellation& cancellation);

/// Gives a function that reads the state of the last job now. It connects if need be, and again
/// after an error. Both outlive it.
std::function<Result<JobSnapshot>()> watch_job(const JobDescription& job,
                                               const Cancellation& cancellation);

}  // namespace pgfanout
