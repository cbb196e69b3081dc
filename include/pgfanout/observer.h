// How a running job is watched. The library never prints: it tells an observer, and counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "pgfanout/job_result.h"
#include "pgfanout/leaf_board.h"
#include "pgfanout/lock_waits.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

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
  std::atomic<std::uint64_t> rows_rejected_earlier{0};  ///< Of these, by earlier calls of the job.
  std::atomic<std::uint64_t> rows_read_back{0};
  std::atomic<std::uint64_t> bytes_read_back{0};
  std::atomic<std::uint64_t> leaves_committed{0};
  std::atomic<std::uint64_t> leaves_total{0};
  std::atomic<std::uint64_t> epochs_done{0};  ///< Committed by this call.
  std::atomic<std::uint64_t> steps_done{0};   ///< Of a stage that runs statements.
  std::atomic<std::uint64_t> steps_total{0};  ///< 0: the stage has none.
  /// Of the index builds that run now, by the server's own word (pg_stat_progress_create_index).
  std::atomic<std::uint64_t> build_blocks_done{0};
  std::atomic<std::uint64_t> build_blocks_total{0};  ///< 0: none runs, or it does not count blocks.

  std::atomic<std::uint64_t> readers{0};       ///< Connections that read.
  std::atomic<std::uint64_t> readers_busy{0};  ///< Of these, how many have a range in hand.
  std::atomic<std::uint64_t> writers{0};       ///< Connections that write.
  std::atomic<std::uint64_t> writers_busy{0};  ///< Of these, how many have rows to send.
  std::atomic<std::uint64_t> memory_used{0};   ///< Bytes of row data held, of memory_budget.
  std::atomic<std::uint64_t> memory_budget{0};
  // Where the readers' time goes, in nanoseconds summed over them.
  std::atomic<std::uint64_t> source_wait_ns{0};  ///< For bytes from the source.
  std::atomic<std::uint64_t> work_ns{0};         ///< Decoding, hashing, routing.
  std::atomic<std::uint64_t> target_wait_ns{0};  ///< For memory that the writers give back.
  std::atomic<std::uint64_t> pace_wait_ns{0};    ///< Because a threshold slows the job down.
  std::atomic<bool> fence_stands{false};         ///< Writes to the table are refused.
  LockWaits lock_waits;                          ///< For locks that are tried again and again.
  LeafBoard leaves;
};

/// Takes issues where only these can be reported.
using IssueSink = std::function<void(Issue)>;

/// Called by the job's own thread, never concurrently, but for the last group, which comes from the
/// thread that watches over the job, at any time between job_started() and the job's return.
/// Callbacks may take their time: the job waits.
class Observer {
 public:
  virtual ~Observer() = default;
  /// `counters` lives until the job has returned.
  virtual void job_started(const std::string& job_id, const JobCounters& counters) = 0;
  virtual void stage_started(std::string_view stage) = 0;
  virtual void stage_finished(const StageSummary& stage) = 0;
  virtual void issue_found(const Issue& issue) = 0;
  /// Behind stage_started(): an error keeps the stage from being done, and ends the job resumably.
  virtual Result<void> may_begin(std::string_view /*stage*/) { return {}; }
  /// The stage's gate waits for a person, or was confirmed in this call.
  virtual void gate_reached(std::string_view /*stage*/, bool /*is_waiting*/) {}
  /// Behind the command, whatever came of it, also if it never began a job. No callback follows.
  /// The observer adds to the result's issues whatever it could not report completely.
  virtual void job_finished(JobResult& /*result*/) {}

  /// About once a second.
  virtual void sampled(const WatchSample& /*sample*/) {}
  /// A threshold was crossed, or is no longer.
  virtual void threshold_changed(const ThresholdState& /*threshold*/) {}
  /// Sessions begin to wait for something that is no work, still do after a while, or no longer do.
  virtual void wait_changed(const SessionWait& /*wait*/, WaitChange /*change*/) {}
};

}  // namespace pgfanout
