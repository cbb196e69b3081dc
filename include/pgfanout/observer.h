// How a running job is watched. The library never prints: it tells an observer, and counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// Figures of a running copy, updated by its stages and read by whoever shows them. All monotonic
/// within a stage, but for the total.
struct JobCounters {
  std::atomic<std::uint64_t> bytes_expected{0};  ///< Estimate, from relation sizes.
  std::atomic<std::uint64_t> rows_expected{0};   ///< Estimate; 0 when unknown.
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> rows_read{0};
  std::atomic<std::uint64_t> rows_routed{0};
  std::atomic<std::uint64_t> rows_written{0};  ///< Handed to the server, not yet committed.
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> rows_rejected{0};
  std::atomic<std::uint64_t> rows_read_back{0};
  std::atomic<std::uint64_t> bytes_read_back{0};
  std::atomic<std::uint64_t> leaves_committed{0};
  std::atomic<std::uint64_t> leaves_total{0};
  std::atomic<std::uint64_t> steps_done{0};   ///< Of a stage that runs statements.
  std::atomic<std::uint64_t> steps_total{0};  ///< 0: the stage has none.
  /// Of the index builds that run now, by the server's own word (pg_stat_progress_create_index).
  std::atomic<std::uint64_t> build_blocks_done{0};
  std::atomic<std::uint64_t> build_blocks_total{0};  ///< 0: none runs, or it does not count blocks.
};

/// Called by the job's own thread, never concurrently. Callbacks may take their time: the job
/// waits.
class Observer {
 public:
  virtual ~Observer() = default;
  /// `counters` lives until the job has returned.
  virtual void job_started(const std::string& job_id, const JobCounters& counters) = 0;
  virtual void stage_started(std::string_view stage) = 0;
  virtual void stage_finished(const StageSummary& stage) = 0;
  virtual void issue_found(const Issue& issue) = 0;
};

}  // namespace pgfanout
