#include "copier/report/live/leaf_grid.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pgfanout {
namespace {

struct Look {
  const char* with_color;
  const char* unicode;
  const char* ascii;
  const char* style;
  const char* name;
};

/// In the order of LeafState. Without colour a letter says what the colour would have said.
constexpr std::array<Look, 6> kLooks = {{{"·", "·", ".", style::kDim, "waiting"},
                                         {"▃", "▃", "=", style::kYellow, "loading"},
                                         {"▆", "C", "C", style::kBlue, "committed"},
                                         {"▆", "P", "P", style::kCyan, "proven"},
                                         {"▆", "I", "I", style::kMagenta, "indexed"},
                                         {"▆", "V", "V", style::kGreen, "verified"}}};
constexpr std::array<const char*, 6> kFilling = {"▁", "▂", "▃", "▄", "▅", "▆"};
constexpr std::array<const char*, 6> kFillingAscii = {"-", "-", "=", "=", "#", "#"};

const Look& look_of(LeafState state) {
  return kLooks[static_cast<std::size_t>(state)];
}

const char* text_of(const Look& look, const Screen& screen) {
  return !screen.unicode ? look.ascii : screen.color ? look.with_color : look.unicode;
}

/// Several leaves together are as far as the last of them; one that has begun shows.
struct Cell {
  LeafState state = LeafState::waiting;
  double share = 0;  ///< Of the rows expected.
};

Cell cell_of(const JobView& view, std::size_t begin, std::size_t end) {
  Cell cell{LeafState::verified, 0};
  bool has_begun = false;
  std::uint64_t rows = 0;
  for (std::size_t at = begin; at < end; ++at) {
    const JobView::Leaf& leaf = view.leaves[at];
    cell.state = std::min(cell.state, leaf.state);
    has_begun = has_begun || leaf.state != LeafState::waiting;
    rows += leaf.rows;
  }
  if (has_begun) cell.state = std::max(cell.state, LeafState::loading);
  const double expected = static_cast<double>(view.rows_expected) *
                          static_cast<double>(end - begin) /
                          static_cast<double>(view.leaves.size());
  if (expected > 0) cell.share = static_cast<double>(rows) / expected;
  return cell;
}

void add_cell(ScreenLine& line, const Cell& cell, const Screen& screen) {
  const Look& look = look_of(cell.state);
  const char* text = text_of(look, screen);
  if (cell.state == LeafState::loading && cell.share > 0) {
    const auto level = static_cast<std::size_t>(std::min(5.0, cell.share * 6));
    text = screen.unicode ? kFilling[level] : kFillingAscii[level];
  }
  line.add(text, look.style).add(" ");
}

}  // namespace

GridShape grid_shape(std::size_t leaves, std::size_t most_rows, std::size_t most_columns) {
  if (leaves == 0 || most_rows == 0 || most_columns == 0) return {};
  const auto side = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(leaves))));
  GridShape shape;
  shape.rows = std::min(side, most_rows);
  shape.columns = std::min((leaves + shape.rows - 1) / shape.rows, most_columns);
  const std::size_t cells = shape.rows * shape.columns;
  shape.leaves_a_cell = (leaves + cells - 1) / cells;
  // Cells that stand for several may be fewer than there is room for.
  const std::size_t used = (leaves + shape.leaves_a_cell - 1) / shape.leaves_a_cell;
  shape.rows = (used + shape.columns - 1) / shape.columns;
  return shape;
}

std::vector<ScreenLine> grid_lines(const JobView& view, const GridShape& shape,
                                   const Screen& screen) {
  std::vector<ScreenLine> lines;
  std::size_t begin = 0;
  for (std::size_t row = 0; row < shape.rows; ++row) {
    ScreenLine line(screen, 2 * shape.columns);
    for (std::size_t column = 0; column < shape.columns && begin < view.leaves.size(); ++column) {
      const std::size_t end = std::min(begin + shape.leaves_a_cell, view.leaves.size());
      add_cell(line, cell_of(view, begin, end), screen);
      begin = end;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

ScreenLine grid_legend(const Screen& screen, std::size_t columns) {
  ScreenLine legend(screen, columns);
  for (const Look& look : kLooks) {
    ScreenLine one(screen, columns);
    if (!legend.empty()) one.add("  ");
    one.add(text_of(look, screen), look.style).add(" ").add(look.name);
    legend.add(one);
  }
  return legend;
}

}  // namespace pgfanout
