// Whether a job makes its deadline, and until when it can still be undone before it. Pure: times
// are given.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "copier/watch/time_left.h"
#include "pgfanout/watch.h"

namespace pgfanout {

using ClockTime = std::chrono::system_clock::time_point;

[[nodiscard]] inline ClockTime after(ClockTime from, double seconds) {
  return from +
         std::chrono::duration_cast<ClockTime::duration>(std::chrono::duration<double>(seconds));
}

/// Where the job stands, as far as turning back depends on it.
struct TurningBack {
  bool is_fenced = false;         ///< Writes are refused: there is something to undo.
  bool is_swapping = false;       ///< From here on a rollback compares both tables first.
  std::optional<double> seconds;  ///< How long it takes; absent: not known.
  std::string how;                ///< "'pgfanout rollback'".
};

/// `left` is what the job still has to do.
[[nodiscard]] DeadlineState judge_deadline(ClockTime finish_by, ClockTime now,
                                           const std::optional<Span>& left,
                                           const TurningBack& back);

/// "04:00" by this host's clock, with the day if it is not that of `now`.
[[nodiscard]] std::string clock_text(ClockTime time, ClockTime now);
/// "8 min to 16 min".
[[nodiscard]] std::string span_text(const Span& span);

}  // namespace pgfanout
