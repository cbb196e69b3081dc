// The leaves of a target as a grid that fills. Pure functions.
#pragma once

#include <cstddef>
#include <vector>

#include "copier/report/live/job_view.h"
#include "copier/report/live/screen_line.h"

namespace pgfanout {

struct GridShape {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t leaves_a_cell = 1;
};

/// A grid for that many leaves, as square as fits: 100 leaves are 10 by 10. Where there is less
/// room, a cell stands for several.
[[nodiscard]] GridShape grid_shape(std::size_t leaves, std::size_t most_rows,
                                   std::size_t most_columns);

/// Its lines, two columns a cell, the second one of which is a blank.
[[nodiscard]] std::vector<ScreenLine> grid_lines(const JobView& view, const GridShape& shape,
                                                 const Screen& screen);
/// Explains the characters; as much as fits.
[[nodiscard]] ScreenLine grid_legend(const Screen& screen, std::size_t columns);

}  // namespace pgfanout
