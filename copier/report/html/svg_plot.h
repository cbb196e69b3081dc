// Plots as HTML and inline SVG that fit any width: the drawing stretches, while its words are HTML
// beside it and keep their size. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgfanout {

struct PlotTick {
  double at = 0;  ///< 0 to 1 along its axis.
  std::string label;
};

/// The title, axes and marks around a drawing.
struct PlotFrame {
  std::string title;
  std::string unit;     ///< Of the values: "rows".
  std::string x_label;  ///< Of the horizontal axis, with its unit.
  std::string words;    ///< Describes the plot, for those who cannot see it.
  std::vector<PlotTick> x_ticks;
  std::vector<double> x_lines;  ///< 0 to 1: where something begins.
  std::vector<double> x_marks;  ///< 0 to 1: where something happened.
};

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x from 0 to 1, y a value.
};

struct PlotLayer {
  std::string name;
  std::vector<double> values;  ///< Shares of each of the equal pieces of the axis.
};

/// The least of 1, 2, 2.5, 5 times a power of ten that is not below `most`; 1 for nothing.
[[nodiscard]] double round_ceiling(double most);
/// "0", "950", "12,500", "1.25 M".
[[nodiscard]] std::string short_number(double number);
/// At most `count` + 1 round moments of `seconds`, as clock times.
[[nodiscard]] std::vector<PlotTick> time_ticks(double seconds, std::size_t count);

/// Below a drawing: each at its place, the outermost not beyond the edges.
[[nodiscard]] std::string tick_labels(const std::vector<PlotTick>& ticks);

/// One bar a value, with a line at `mean`.
[[nodiscard]] std::string bar_plot(const PlotFrame& frame, const std::vector<double>& values,
                                   std::optional<double> mean);
/// Up to three lines: solid, dashed, dotted.
[[nodiscard]] std::string line_plot(const PlotFrame& frame, const std::vector<PlotLine>& lines);
/// Shares of a whole, stacked; pieces in which all are 0 stay empty.
[[nodiscard]] std::string share_plot(const PlotFrame& frame, const std::vector<PlotLayer>& layers);

}  // namespace pgfanout
