#include "copier/report/html/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "copier/base/counted.h"
#include "copier/report/html/html.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr double kWide = 720;
constexpr double kHigh = 180;
constexpr std::size_t kSteps = 4;  // Of the vertical axis.

double x_of(double share) {
  return std::clamp(share, 0.0, 1.0) * kWide;
}

double y_of(double value, double top) {
  return kHigh - std::clamp(value / top, 0.0, 1.0) * kHigh;
}

std::string upright(double share, const char* css_class) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"0\" y2=\"{}\"/>",
                     css_class, x_of(share), x_of(share), kHigh);
}

std::string level(double y, const char* css_class) {
  return fmt::format("<line class=\"{}\" x1=\"0\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                     css_class, kWide, y, y);
}

using Label = std::string (*)(double);

std::string percent(double share) {
  return fmt::format("{:.0f} %", share * 100);
}

std::string value_labels(double top, Label label) {
  std::string html;
  for (std::size_t step = 0; step <= kSteps; ++step) {
    const double share = static_cast<double>(step) / kSteps;
    html +=
        fmt::format("<span style=\"bottom:{:.0f}%\">{}</span>", share * 100, label(top * share));
  }
  return html;
}

std::string framed(const PlotFrame& frame, double top, Label label, const std::string& drawing,
                   const std::string& legend) {
  std::string grid;
  for (std::size_t step = 0; step <= kSteps; ++step) {
    const double share = static_cast<double>(step) / kSteps;
    grid += level(kHigh - share * kHigh, step == 0 ? "base" : "grid");
  }
  std::string over;
  for (const double at : frame.x_lines) over += upright(at, "begin");
  for (const double at : frame.x_marks) over += upright(at, "mark");
  return fmt::format(
      "<figure class=\"plot\">\n<figcaption><strong>{}</strong> <span>{}</span>{}</figcaption>\n"
      "<div class=\"frame\"><div class=\"y\" aria-hidden=\"true\">{}</div>\n"
      "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"{}\">{}{}{}</svg>\n"
      "<div class=\"x\" aria-hidden=\"true\">{}</div></div>\n<p class=\"axis\">{}</p>\n"
      "</figure>\n",
      html_text(frame.title), html_text(frame.unit), legend, value_labels(top, label), kWide, kHigh,
      html_attribute(frame.title + ". " + frame.words), grid, drawing, over,
      tick_labels(frame.x_ticks), html_text(frame.x_label));
}

std::string rectangle(const std::string& css_class, double x, double y, double width,
                      double height) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"/>",
      css_class, x, y, width, height);
}

std::string legend_item(const std::string& drawing, const std::string& name) {
  return fmt::format(
      "<span class=\"key\"><svg viewBox=\"0 0 24 12\" width=\"24\" height=\"12\" "
      "aria-hidden=\"true\">{}</svg>{}</span>",
      drawing, html_text(name));
}

std::string legend_line(const std::string& css_class, const std::string& name) {
  return legend_item(
      fmt::format("<line class=\"{}\" x1=\"0\" x2=\"24\" y1=\"6\" y2=\"6\"/>", css_class), name);
}

std::string legend_of(const std::string& items) {
  return "<span class=\"legend\">" + items + "</span>";
}

/// Draws no line over longer times at zero, where several lines would cover each other.
std::string pieces_of(const PlotLine& line, std::size_t number, double top) {
  const auto& points = line.points;
  std::string drawing;
  std::string piece;
  const auto end_piece = [&] {
    if (piece.find(' ') != std::string::npos) {
      drawing += fmt::format("<polyline class=\"line l{}\" points=\"{}\"/>", number, piece);
    }
    piece.clear();
  };
  for (std::size_t at = 0; at < points.size(); ++at) {
    const auto& [x, y] = points[at];
    const bool has_some = y > 0 || (at > 0 && points[at - 1].second > 0) ||
                          (at + 1 < points.size() && points[at + 1].second > 0);
    if (!has_some) {
      end_piece();
      continue;
    }
    piece += fmt::format("{}{:.1f},{:.1f}", piece.empty() ? "" : " ", x_of(x), y_of(y, top));
  }
  end_piece();
  return drawing;
}

}  // namespace

std::string tick_labels(const std::vector<PlotTick>& ticks) {
  std::string html;
  for (const PlotTick& tick : ticks) {
    const char* end = tick.at > 0.95 ? " class=\"last\"" : tick.at < 0.05 ? " class=\"first\"" : "";
    html += fmt::format("<span{} style=\"left:{:.2f}%\">{}</span>", end, tick.at * 100,
                        html_text(tick.label));
  }
  return html;
}

double round_ceiling(double most) {
  if (!(most > 0) || !std::isfinite(most)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(most)));
  for (const double factor : {1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0}) {
    if (factor * power >= most * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string short_number(double number) {
  if (number >= 1e9) return fmt::format("{:.4g} G", number / 1e9);
  if (number >= 1e6) return fmt::format("{:.4g} M", number / 1e6);
  if (number >= 100 || number == std::floor(number)) {
    return with_commas(static_cast<std::uint64_t>(std::llround(std::max(number, 0.0))));
  }
  return fmt::format("{:.3g}", number);
}

std::vector<PlotTick> time_ticks(double seconds, std::size_t count) {
  constexpr std::array steps = {0.1,   0.2,    0.5,    1.0,    2.0,    5.0,     10.0,   15.0,
                                30.0,  60.0,   120.0,  300.0,  600.0,  900.0,   1800.0, 3600.0,
                                7200., 14400., 21600., 43200., 86400., 172800., 604800.};
  if (!(seconds > 0)) return {{0, "0"}};
  double step = steps.back();
  for (const double each : steps) {
    if (seconds / each > static_cast<double>(count)) continue;
    step = each;
    break;
  }
  std::vector<PlotTick> ticks;
  for (double at = 0; at <= seconds * (1 + 1e-9) && ticks.size() <= count; at += step) {
    ticks.push_back({at / seconds, step < 1 ? fmt::format("{:.1f} s", at) : clock_text(at)});
  }
  return ticks;
}

std::string bar_plot(const PlotFrame& frame, const std::vector<double>& values,
                     std::optional<double> mean) {
  const auto most = std::ranges::max_element(values);
  const double top = round_ceiling(most == values.end() ? 0 : *most);
  std::string drawing;
  const double each = values.empty() ? kWide : kWide / static_cast<double>(values.size());
  const double bar = std::min(each * 0.8, 60.0);
  for (std::size_t at = 0; at < values.size(); ++at) {
    const double y = y_of(values[at], top);
    drawing += rectangle(values[at] == *most ? "bar most" : "bar",
                         static_cast<double>(at) * each + (each - bar) / 2, y, bar, kHigh - y);
  }
  std::string legend;
  if (mean) {
    drawing += level(y_of(*mean, top), "mean");
    legend = legend_of(legend_line("mean", "mean " + short_number(*mean)));
  }
  return framed(frame, top, short_number, drawing, legend);
}

std::string line_plot(const PlotFrame& frame, const std::vector<PlotLine>& lines) {
  double most = 0;
  for (const PlotLine& line : lines) {
    for (const auto& [x, y] : line.points) most = std::max(most, y);
  }
  const double top = round_ceiling(most);
  std::string drawing;
  std::string legend;
  for (std::size_t number = 0; number < lines.size(); ++number) {
    drawing += pieces_of(lines[number], number + 1, top);
    legend += legend_line(fmt::format("line l{}", number + 1), lines[number].name);
  }
  return framed(frame, top, short_number, drawing, legend_of(legend));
}

std::string share_plot(const PlotFrame& frame, const std::vector<PlotLayer>& layers) {
  std::size_t pieces = 0;
  for (const PlotLayer& layer : layers) pieces = std::max(pieces, layer.values.size());
  std::string drawing;
  std::string legend;
  for (std::size_t number = 0; number < layers.size(); ++number) {
    legend +=
        legend_item(fmt::format("<rect class=\"a{}\" width=\"24\" height=\"12\"/>", number + 1),
                    layers[number].name);
  }
  const double each = pieces == 0 ? kWide : kWide / static_cast<double>(pieces);
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    double whole = 0;
    for (const PlotLayer& layer : layers) whole += layer.values[piece];
    double below = 0;
    for (std::size_t number = 0; number < layers.size() && whole > 0; ++number) {
      const double share = layers[number].values[piece] / whole;
      if (!(share > 0.0005)) continue;
      drawing += rectangle(fmt::format("a{}", number + 1), static_cast<double>(piece) * each,
                           kHigh - (below + share) * kHigh, each + 0.05, share * kHigh);
      below += share;
    }
  }
  return framed(frame, 1, percent, drawing, legend_of(legend));
}

}  // namespace pgfanout
