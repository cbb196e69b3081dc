// All that the live view shows of a job, and pure functions that turn it into lines. The view is
// filled from counters, or from the journal and the server's statistics views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "copier/report/live/live_screen.h"
#include "pgfanout/job_result.h"
#include "pgfanout/leaf_board.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// One moment of a running stage.
struct ProgressSnapshot {
  std::string stage;
  double stage_seconds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_expected = 0;  ///< 0: unknown.
  bool is_estimate = false;          ///< bytes_expected is one: the bar stops at 99 %.
  std::uint64_t rows = 0;
  std::uint64_t rows_rejected = 0;
  std::uint64_t leaves_committed = 0;
  std::uint64_t leaves_total = 0;  ///< 0: the stage has none.
  std::uint64_t build_blocks_done = 0;
  std::uint64_t build_blocks_total = 0;  ///< 0: no index is being built.
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;     ///< 0: the stage has none.
  std::uint64_t resident_bytes = 0;  ///< 0: unknown.
  double rows_per_second = 0;        ///< Over the last seconds.
  double bytes_per_second = 0;
  bool is_stopping = false;
};

/// 0 to 100; absent: bytes_expected is unknown.
[[nodiscard]] std::optional<unsigned> percent_of(const ProgressSnapshot& snapshot);
/// Seconds to the end of the stage at the present rate; absent: unknown.
[[nodiscard]] std::optional<double> seconds_left(const ProgressSnapshot& snapshot);

/// The live line: narrower than the screen, so that no terminal wraps it. Less important parts are
/// left out first.
[[nodiscard]] std::string live_line(const ProgressSnapshot& snapshot, const Screen& screen);
/// The same for a log: one line of words, without line feed.
[[nodiscard]] std::string plain_line(const ProgressSnapshot& snapshot);
/// "copy: done in 3.90 s: 1,000,000 rows, ..."; figures only where the stage moved rows.
[[nodiscard]] std::string stage_line(const StageSummary& stage, std::uint64_t rows,
                                     std::uint64_t bytes);

/// Rates over the last ten seconds.
class RateWindow {
 public:
  void restart() { samples_.clear(); }
  void add(double seconds, std::uint64_t rows, std::uint64_t bytes);
  [[nodiscard]] double rows_per_second() const { return rate_of(&Sample::rows); }
  [[nodiscard]] double bytes_per_second() const { return rate_of(&Sample::bytes); }

 private:
  struct Sample {
    double seconds;
    std::uint64_t rows;
    std::uint64_t bytes;
  };
  [[nodiscard]] double rate_of(std::uint64_t Sample::*count) const;
  std::deque<Sample> samples_;
};

/// Rates of the last minutes, for a plot.
class RateSeries {
 public:
  /// Drops all rates. The next one counts from this moment and count on.
  void restart(double seconds, std::uint64_t rows);
  /// The count at a moment; `seconds` never goes back, but the count may begin anew. Adds a rate if
  /// `every` seconds have passed since the last one.
  void add(double seconds, std::uint64_t rows, double every);
  /// Rows per second, oldest first, from the first row on.
  [[nodiscard]] std::vector<double> rates() const { return {rates_.begin(), rates_.end()}; }

 private:
  std::deque<double> rates_;
  double seconds_ = 0;
  std::uint64_t rows_ = 0;
};

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
  /// Where the readers' time went over the last seconds, in percent; the sum is 100.
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
  std::vector<SessionWait> session_waits;
  std::vector<ThresholdState> thresholds;
  std::optional<DeadlineState> deadline;
  Speed speed = Speed::full;
  std::string last_issue;
  std::string on_interrupt;  ///< Effect of Ctrl-C now.
};

struct GridShape {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t leaves_a_cell = 1;
};

/// A grid for that many leaves, as square as fits: 100 leaves are 10 by 10. Where there is less
/// room, a cell stands for several leaves.
[[nodiscard]] GridShape grid_shape(std::size_t leaves, std::size_t most_rows,
                                   std::size_t most_columns);
/// Its lines: two columns a cell, the second of which is a blank.
[[nodiscard]] std::vector<ScreenLine> grid_lines(const JobView& view, const GridShape& shape,
                                                 const Screen& screen);

/// A smaller terminal shows the live line alone.
inline constexpr unsigned kLeastViewWidth = 40;
inline constexpr unsigned kLeastViewHeight = 8;

/// At most screen.height - 1 lines of at most screen.width - 1 columns. Less important parts are
/// left out first.
[[nodiscard]] std::vector<std::string> job_view_lines(const JobView& view, const Screen& screen);

}  // namespace pgfanout
