// The panel beside the grid: stages, who is busy, where the time goes, what is watched. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "copier/report/live/job_view.h"
#include "copier/report/live/screen_line.h"

namespace pgfanout {

/// At most `rows` lines of at most `columns`.
[[nodiscard]] std::vector<ScreenLine> panel_lines(const JobView& view, const Screen& screen,
                                                  std::size_t rows, std::size_t columns);

}  // namespace pgfanout
