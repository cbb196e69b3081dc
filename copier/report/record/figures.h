// A job's counters at one moment, as plain numbers, its open stages, and the use of this process:
// the figures of the live view, the event stream, the metrics and the report.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgfanout/observer.h"

namespace pgfanout {

struct Figures {
  std::uint64_t bytes_expected = 0;
  std::uint64_t rows_expected = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t rows_read = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t rows_rejected = 0;
  std::uint64_t rows_read_back = 0;
  std::uint64_t bytes_read_back = 0;
  std::uint64_t leaves_committed = 0;
  std::uint64_t leaves_total = 0;
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;
  std::uint64_t build_blocks_done = 0;
  std::uint64_t build_blocks_total = 0;
  std::uint64_t readers = 0;
  std::uint64_t readers_busy = 0;
  std::uint64_t writers = 0;
  std::uint64_t writers_busy = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_budget = 0;
  std::uint64_t source_wait_ns = 0;
  std::uint64_t work_ns = 0;
  std::uint64_t target_wait_ns = 0;
  std::uint64_t pace_wait_ns = 0;
  bool fence_stands = false;
  std::vector<std::uint64_t> leaf_rows;  ///< One a leaf of the board.
  std::vector<LeafState> leaf_states;
};

[[nodiscard]] Figures figures_of(const JobCounters& counters);

/// Stages that have started and not finished, outermost first. A stage within another is labelled
/// "copy/read-back".
class OpenStages {
 public:
  void start(std::string_view stage);
  /// Ends the innermost one, which must be there; its label.
  std::string finish();
  [[nodiscard]] bool empty() const { return open_.empty(); }
  /// Of the innermost one; empty if none is open.
  [[nodiscard]] std::string label() const { return open_.empty() ? "" : open_.back().first; }
  /// Label of each, and for how many seconds it has run.
  [[nodiscard]] std::vector<std::pair<std::string, double>> seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<std::pair<std::string, Clock::time_point>> open_;
};

/// Resources that this process has used.
struct Resources {
  std::uint64_t peak_rss_bytes = 0;
  double cpu_seconds = 0;  ///< User and system time of all threads.
};

struct Machine {
  unsigned processors = 0;         ///< That this process may use.
  std::uint64_t memory_bytes = 0;  ///< 0: unknown.
  std::string system;              ///< "Linux 6.1.0 x86_64".
};

[[nodiscard]] Resources resources_used();
/// Resident memory of this process at this moment; 0: unknown.
[[nodiscard]] std::uint64_t resident_bytes();
[[nodiscard]] Machine this_machine();

}  // namespace pgfanout
