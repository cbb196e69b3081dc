// How a running job looks: pure functions from figures to text, so that every width can be tested.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// One moment of a running stage.
struct ProgressSnapshot {
  std::string stage;
  double stage_seconds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_expected = 0;  ///< 0: unknown.
  bool is_estimate = false;          ///< Of bytes_expected; the bar then waits at 99 %.
  std::uint64_t rows = 0;
  std::uint64_t rows_rejected = 0;
  std::uint64_t leaves_committed = 0;
  std::uint64_t leaves_total = 0;  ///< 0: the stage has none.
  std::uint64_t build_blocks_done = 0;
  std::uint64_t build_blocks_total = 0;  ///< 0: no index is being built.
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;     ///< 0: the stage has none.
  std::uint64_t resident_bytes = 0;  ///< 0: unknown.
  double rows_per_second = 0;        ///< Lately.
  double bytes_per_second = 0;
  bool is_stopping = false;
};

/// Size and abilities of the terminal.
struct Screen {
  unsigned width = 80;
  bool unicode = false;
  bool color = false;
  unsigned height = 24;
};

/// 0 to 100; absent where nothing is expected.
[[nodiscard]] std::optional<unsigned> percent_of(const ProgressSnapshot& snapshot);
/// Seconds to the end of the stage at the present rate; absent where that says nothing.
[[nodiscard]] std::optional<double> seconds_left(const ProgressSnapshot& snapshot);

/// The live line: less than `screen.width` columns, so that no terminal wraps it. Less important
/// parts are left out first.
[[nodiscard]] std::string live_line(const ProgressSnapshot& snapshot, const Screen& screen);
/// The same for a log: one line of words, without line feed.
[[nodiscard]] std::string plain_line(const ProgressSnapshot& snapshot);
/// "copy: done in 3.90 s: 1,000,000 rows, ..."; figures only where the stage moved rows.
[[nodiscard]] std::string stage_line(const StageSummary& stage, std::uint64_t rows,
                                     std::uint64_t bytes);

/// Rates over the last ten seconds.
class RateWindow {
 public:
  void restart();
  void add(double seconds, std::uint64_t rows, std::uint64_t bytes);
  [[nodiscard]] double rows_per_second() const;
  [[nodiscard]] double bytes_per_second() const;

 private:
  struct Sample {
    double seconds;
    std::uint64_t rows;
    std::uint64_t bytes;
  };
  [[nodiscard]] double seconds() const;
  std::deque<Sample> samples_;
};

}  // namespace pgfanout
