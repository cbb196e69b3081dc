// Plots: their scales, and that each has words, whatever the values are.
#include "copier/report/html/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t times_in(const std::string& text, const std::string& piece) {
  std::size_t count = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) {
    ++count;
  }
  return count;
}

PlotFrame frame() {
  PlotFrame frame;
  frame.title = "Rows & <more>";
  frame.unit = "rows";
  frame.x_label = "key";
  frame.words = "12 \"rows\".";
  frame.x_ticks = {{0, "0"}, {0.5, "half"}, {1, "all"}};
  frame.x_lines = {0.25};
  frame.x_marks = {0.75};
  return frame;
}

TEST(SvgPlot, ACeilingIsRoundAndNotBelow) {
  EXPECT_EQ(round_ceiling(0), 1);
  EXPECT_EQ(round_ceiling(-3), 1);
  EXPECT_EQ(round_ceiling(std::nan("")), 1);
  for (const auto& [most, top] : {std::pair{1.0, 1.0},
                                  {1.1, 2.0},
                                  {2.1, 2.5},
                                  {999.0, 1000.0},
                                  {3435.0, 4000.0},
                                  {0.03, 0.04}}) {
    EXPECT_NEAR(round_ceiling(most), top, top * 1e-9);
  }
}

TEST(SvgPlot, NumbersAreShort) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(2.5), "2.5");
  EXPECT_EQ(short_number(12500), "12,500");
  EXPECT_EQ(short_number(1.25e6), "1.25 M");
  EXPECT_EQ(short_number(3e9), "3 G");
}

TEST(SvgPlot, MomentsAreRoundAndFew) {
  for (const double seconds : {0.0, 0.3, 1.0, 17.6, 61.0, 3700.0, 90000.0, 3e6}) {
    const auto ticks = time_ticks(seconds, 6);
    EXPECT_GE(ticks.size(), 1U) << seconds;
    EXPECT_LE(ticks.size(), 7U) << seconds;
    for (const PlotTick& tick : ticks) {
      EXPECT_GE(tick.at, 0);
      EXPECT_LE(tick.at, 1.0 + 1e-9);
    }
  }
  EXPECT_EQ(time_ticks(17.6, 6).at(1).label, "0:05");
}

TEST(SvgPlot, EveryPlotHasATitleAnAxisAndWords) {
  const std::string html = bar_plot(frame(), {1, 2, 3}, 2.0);
  EXPECT_THAT(html, HasSubstr("<strong>Rows &amp; &lt;more&gt;</strong> <span>rows</span>"));
  EXPECT_THAT(html, HasSubstr("role=\"img\" aria-label=\"Rows &amp; &lt;more&gt;. 12 &quot;rows"));
  EXPECT_THAT(html, HasSubstr("<p class=\"axis\">key</p>"));
  EXPECT_THAT(html, HasSubstr("class=\"begin\" x1=\"180.0\""));
  EXPECT_THAT(html, HasSubstr("class=\"mark\" x1=\"540.0\""));
  EXPECT_THAT(html, HasSubstr("mean 2"));
}

TEST(SvgPlot, ABarForEachValueTheLargestMarked) {
  const std::string html = bar_plot(frame(), {1, 4, 0, 2}, std::nullopt);
  EXPECT_EQ(times_in(html, "<rect class=\"bar"), 4U);
  EXPECT_EQ(times_in(html, "bar most"), 1U);
  EXPECT_THAT(html, HasSubstr("y=\"0.00\""));  // 4 of 4: up to the top.
  EXPECT_THAT(html, Not(HasSubstr("class=\"mean\"")));
}

TEST(SvgPlot, NothingToDrawIsStillAPlot) {
  EXPECT_THAT(bar_plot(frame(), {}, std::nullopt), HasSubstr("</figure>"));
  EXPECT_THAT(bar_plot(frame(), {0, 0}, 0.0), Not(HasSubstr("nan")));
  EXPECT_THAT(line_plot(frame(), {}), HasSubstr("</figure>"));
  EXPECT_THAT(share_plot(frame(), {}), HasSubstr("</figure>"));
}

TEST(SvgPlot, LinesAreToldApartByTheirDashes) {
  const std::string html =
      line_plot(frame(), {{"read", {{0, 1}, {1, 2}}}, {"written", {{0, 0}, {0.5, 0}, {1, 0}}}});
  EXPECT_EQ(times_in(html, "<polyline class=\"line l1\""), 1U);
  // One that is 0 throughout would lie on the axis.
  EXPECT_EQ(times_in(html, "<polyline class=\"line l2\""), 0U);
  EXPECT_EQ(times_in(html, "class=\"key\""), 2U);
}

TEST(SvgPlot, ALineIsLeftOutWhereNothingIs) {
  const std::string html =
      line_plot(frame(), {{"x", {{0, 1}, {0.2, 0}, {0.4, 0}, {0.6, 0}, {0.8, 0}, {1, 1}}}});
  EXPECT_EQ(times_in(html, "<polyline"), 2U);
}

TEST(SvgPlot, SharesFillTheWhole) {
  const std::string html =
      share_plot(frame(), {{"a", {1, 0, 3}}, {"b", {3, 0, 1}}, {"c", {0, 0, 0}}});
  EXPECT_EQ(times_in(html, "class=\"a1\" x="), 2U);  // A piece in which nothing is stays empty.
  EXPECT_EQ(times_in(html, "class=\"a2\" x="), 2U);
  EXPECT_EQ(times_in(html, "class=\"a3\" x="), 0U);
  EXPECT_THAT(html, HasSubstr("100 %"));
  EXPECT_THAT(html, HasSubstr("height=\"45.00\""));   // A quarter of 180.
  EXPECT_THAT(html, HasSubstr("height=\"135.00\""));  // The rest.
}

}  // namespace
}  // namespace pgfanout
