// All that the live view shows of a job, and the pure function that makes lines of it. Its sources
// (counters, or the journal and the server's views) are not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/report/live/progress_view.h"
#include "pgfanout/leaf_board.h"
#include "pgfanout/watch.h"

namespace pgfanout {

struct JobView {
  enum class StageState : std::uint8_t { waiting, running, done, failed, gate };
  struct Stage {
    std::string name;
    StageState state = StageState::waiting;
    std::optional<double> seconds = {};  ///< So far, or in all; absent: not known.
  };
  struct Leaf {
    LeafState state = LeafState::waiting;
    std::uint64_t rows = 0;
  };
  /// Where the readers' time went lately, in percent; they add up to 100.
  struct Shares {
    double source = 0;
    double work = 0;
    double target = 0;
    double held = 0;
  };

  std::string command;
  std::string job;
  std::string source;
  std::string target;
  double seconds = 0;
  std::vector<Stage> stages;
  ProgressSnapshot now;  ///< Of the running stage; no name: none runs.
  std::vector<Leaf> leaves;
  std::uint64_t rows_expected = 0;  ///< In all leaves; 0: unknown.
  std::vector<double> rates;        ///< Rows a second, oldest first.
  double rates_every = 1;           ///< Seconds between two of them.
  std::uint64_t readers = 0;
  std::uint64_t readers_busy = 0;
  std::uint64_t writers = 0;
  std::uint64_t writers_busy = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_budget = 0;  ///< 0: unknown.
  std::optional<Shares> shares;
  std::vector<WaitCount> waits;
  std::vector<ThresholdState> thresholds;
  std::optional<DeadlineState> deadline;
  Speed speed = Speed::full;
  std::string last_issue;
  std::string on_interrupt;  ///< Effect of Ctrl-C now.
};

/// The smallest terminal that has room for more than one line of it.
inline constexpr unsigned kLeastViewWidth = 40;
inline constexpr unsigned kLeastViewHeight = 8;

/// At most screen.height - 1 lines of at most screen.width - 1 columns. Less important parts are
/// left out first; below the least size there is the live line alone.
[[nodiscard]] std::vector<std::string> job_view_lines(const JobView& view, const Screen& screen);

}  // namespace pgfanout
