// Figures that need several looks at the counters: rates, and where time goes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "copier/report/live/job_view.h"
#include "copier/report/record/figures.h"

namespace pgfanout {

/// Shows the figures of one moment, which need no earlier ones to compare with.
void show_figures(const Figures& now, JobView& view);

class LiveFigures {
 public:
  /// As often as wanted; `seconds` never goes back.
  void add(double seconds, const Figures& now);

  /// Rows a second, one a second, of the last minutes; oldest first.
  [[nodiscard]] std::vector<double> rates() const { return {rates_.begin(), rates_.end()}; }
  /// Of the last seconds; absent while no reader has done anything.
  [[nodiscard]] std::optional<JobView::Shares> shares() const;

 private:
  struct Times {
    double seconds = 0;
    std::uint64_t source = 0;
    std::uint64_t work = 0;
    std::uint64_t target = 0;
    std::uint64_t held = 0;
  };
  std::deque<double> rates_;
  std::deque<Times> times_;
  double rated_at_ = 0;
  std::uint64_t rows_then_ = 0;
};

}  // namespace pgfanout
