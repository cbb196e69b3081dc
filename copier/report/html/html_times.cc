// The job over time: stages, rates, where the time went, memory, thresholds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "copier/base/counted.h"
#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/html/svg_plot.h"
#include "copier/report/record/series.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kTimeTicks = 6;
constexpr std::size_t kMostStages = 400;

/// A bar for each stage, nested ones indented; names and times are HTML beside the drawing.
std::string gantt(const RecordedJob& job) {
  const double all = job.seconds > 0 ? job.seconds : 1;
  std::string names;
  std::string bars;
  std::string times;
  std::string words;
  const std::size_t shown = std::min(job.stages.size(), kMostStages);
  for (std::size_t at = 0; at < shown; ++at) {
    const RecordedStage& stage = job.stages[at];
    const double end = stage.ended.value_or(job.seconds);
    const bool is_ok = stage.status == "ok";
    const double high = stage.depth == 0 ? 14 : 8;
    names += fmt::format("<span class=\"d{}\">{}</span>", std::min<std::size_t>(stage.depth, 3),
                         html_text(stage.name));
    times += fmt::format("<span>{}{}</span>", seconds_text(end - stage.began),
                         is_ok ? "" : "<span class=\"bad\"> \u2715</span>");
    bars += fmt::format(
        "<rect class=\"{}{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{}\"/>",
        stage.depth == 0 ? "stage" : "part", is_ok ? "" : " failed", stage.began / all * 720,
        static_cast<double>(at) * 24 + (24 - high) / 2,
        std::max((end - stage.began) / all * 720, 1.5), high);
    if (stage.depth == 0) {
      words += fmt::format("{} from {} to {}{}. ", stage.name, clock_text(stage.began),
                           clock_text(end), is_ok ? "" : ", " + stage.status);
    }
  }
  std::string grid;
  const std::vector<PlotTick> ticks = time_ticks(job.seconds, kTimeTicks);
  for (const PlotTick& tick : ticks) {
    grid += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>",
                        tick.at * 720, shown * 24);
  }
  return fmt::format(
      "<figure class=\"gantt\">\n<figcaption><strong>Stages over time</strong> <span>of this "
      "call</span></figcaption>\n<div class=\"rows\"><div class=\"names\" aria-hidden=\"true\">{}"
      "</div>\n<svg style=\"height:{}px\" viewBox=\"0 0 720 {}\" preserveAspectRatio=\"none\" "
      "role=\"img\" aria-label=\"{}\">{}{}</svg>\n<div class=\"times\" aria-hidden=\"true\">{}"
      "</div>\n<div class=\"x\" aria-hidden=\"true\">{}</div></div>\n<p class=\"axis\">time since "
      "the "
      "call began, at {} (minutes:seconds)</p></figure>\n",
      names, shown * 24, shown * 24, html_attribute("Stages over time. " + words), grid, bars,
      times, tick_labels(ticks), utc_words(job.began));
}

std::string stage_table(const HtmlReport& report) {
  HtmlTable table("Stages", {"Stage", "State", "Began", "#Time", "#Client CPU", "#Machine busy",
                             "What was found"});
  for (const StageSummary& stage : report.result.stages) {
    const auto machine = stage.machine_cpu_seconds;
    const double both = machine ? *machine + stage.machine_idle_seconds.value_or(0) : 0;
    const bool is_earlier = !stage.started_at.empty();
    const auto record =
        std::find_if(report.recorded.stages.begin(), report.recorded.stages.end(),
                     [&](const RecordedStage& each) { return each.name == stage.name; });
    const std::string began =
        is_earlier || record == report.recorded.stages.end()
            ? stage.started_at
            : utc_words(report.recorded.began +
                        std::chrono::milliseconds(std::llround(record->began * 1000)));
    table.row(
        {html_text(stage.name), html_text(stage.status), html_text(began),
         seconds_text(stage.seconds), is_earlier ? "" : seconds_text(stage.client_cpu_seconds),
         both > 0 ? fmt::format("{:.0f} %", *machine / both * 100) : "", html_text(stage.detail)});
  }
  return table.is_empty() ? "" : html_fold("Stages as a table", table.html("named"), true);
}

PlotFrame time_frame(const RecordedJob& job, std::string title, std::string unit) {
  PlotFrame frame;
  frame.title = std::move(title);
  frame.unit = std::move(unit);
  frame.x_label = "time since the call began (minutes:seconds)";
  frame.x_ticks = time_ticks(job.seconds, kTimeTicks);
  for (const RecordedStage& stage : job.stages) {
    if (stage.depth == 0 && stage.began > 0) frame.x_lines.push_back(stage.began / job.seconds);
  }
  if (frame.x_lines.size() > 20) frame.x_lines.clear();
  for (const RecordedMark& mark : job.marks) frame.x_marks.push_back(mark.at / job.seconds);
  return frame;
}

PlotLine line_of(const std::string& name, const RecordedJob& job, Counter counter, double scale) {
  PlotLine line{name, {}};
  const std::vector<double> rates = rates_of(job, counter, piece_count(job.seconds));
  const auto count = static_cast<double>(rates.size());
  for (std::size_t at = 0; at < rates.size(); ++at) {
    line.points.emplace_back((static_cast<double>(at) + 0.5) / count, rates[at] / scale);
  }
  return line;
}

std::string most_words(const PlotLine& line, std::string_view unit) {
  double most = 0;
  for (const auto& [x, y] : line.points) most = std::max(most, y);
  return fmt::format("{} at most {} {}. ", line.name, short_number(most), unit);
}

std::string rate_plot(const RecordedJob& job, const std::string& title, const std::string& unit,
                      const std::vector<PlotLine>& lines) {
  PlotFrame frame = time_frame(job, title, unit);
  for (const PlotLine& line : lines) frame.words += most_words(line, unit);
  return line_plot(frame, lines);
}

struct Share {
  const char* name;
  Counter counter;
};

constexpr std::array kShares = {Share{"waiting for the source", &Figures::source_wait_ns},
                                Share{"working", &Figures::work_ns},
                                Share{"waiting for the target", &Figures::target_wait_ns},
                                Share{"held back", &Figures::pace_wait_ns}};

std::string share_html(const RecordedJob& job) {
  std::vector<PlotLayer> layers;
  HtmlTable table("Where the readers' time went", {"Readers were", "#Time, all readers", "#Share"});
  double whole = 0;
  for (const Share& share : kShares) whole += total_of(job, share.counter);
  if (!(whole > 0)) return {};
  PlotFrame frame = time_frame(job, "Where the readers' time went", "share of their time");
  for (const Share& share : kShares) {
    const double total = total_of(job, share.counter);
    layers.push_back({share.name, rates_of(job, share.counter, piece_count(job.seconds))});
    frame.words += fmt::format("{}: {:.0f} percent. ", share.name, total / whole * 100);
    table.row(
        {share.name, seconds_text(total / 1e9), fmt::format("{:.1f} %", total / whole * 100)});
  }
  return share_plot(frame, layers) + table.html("narrow");
}

std::string memory_html(const RecordedJob& job) {
  PlotLine used{"row data held", {}};
  double budget = 0;
  double most = 0;
  for (const RecordedPoint& point : job.points) {
    const double bytes = static_cast<double>(point.figures.memory_used);
    used.points.emplace_back(point.at / job.seconds, bytes / 1e6);
    most = std::max(most, bytes);
    budget = std::max(budget, static_cast<double>(point.figures.memory_budget));
  }
  if (!(budget > 0)) return {};
  PlotFrame frame = time_frame(job, "Memory for row data", "MB");
  frame.words = fmt::format("At most {} of a budget of {}.", bytes_text(most), bytes_text(budget));
  const PlotLine limit{"budget (--memory)", {{0, budget / 1e6}, {1, budget / 1e6}}};
  return line_plot(frame, {used, limit});
}

std::string waits_html(const RecordedJob& job) {
  std::vector<RecordedWait> waits = job.waits;
  std::sort(waits.begin(), waits.end(),
            [](const RecordedWait& a, const RecordedWait& b) { return a.sessions > b.sessions; });
  double all = 0;
  for (const RecordedWait& wait : waits) all += static_cast<double>(wait.sessions);
  HtmlTable table("What the servers' sessions did", {"Side", "Session was at", "#Share of looks"});
  for (std::size_t at = 0; at < std::min<std::size_t>(waits.size(), 15); ++at) {
    table.row({html_text(waits[at].side), html_text(waits[at].event),
               fmt::format("{:.1f} %", static_cast<double>(waits[at].sessions) / all * 100)});
  }
  return table.is_empty() ? "" : "<h3>What the servers' sessions did</h3>\n" + table.html("narrow");
}

std::string marks_html(const RecordedJob& job) {
  HtmlTable table("What happened when", {"#After", "What", "In words"});
  for (const RecordedMark& mark : job.marks) {
    table.row({seconds_text(mark.at), html_code(mark.what), html_text(mark.text)});
  }
  return table.is_empty() ? ""
                          : "<h3>Thresholds, gates and errors</h3>\n<p class=\"quiet\">Each is an "
                            "upright dotted line in the plots.</p>\n" +
                                table.html();
}

std::string thresholds_html(const RecordedJob& job) {
  HtmlTable table("Thresholds", {"Threshold", "Action", "#Limit", "#At the end", "Remark"});
  for (const ThresholdState& each : job.thresholds) {
    table.row({name_of(each.measure), name_of(each.action), fmt::format("{:.6g}", each.limit),
               each.value ? fmt::format("{:.4g}", *each.value) : "not measured",
               html_text((each.is_crossed ? "crossed; " : "") + each.detail)});
  }
  return table.is_empty() ? "" : "<h3>Thresholds</h3>\n" + table.html("narrow");
}

std::string rate_table(const RecordedJob& job) {
  constexpr std::size_t kMostRows = 30;
  const std::size_t count = std::min(piece_count(job.seconds), kMostRows);
  HtmlTable table("Rates over time", {"#From", "#Rows/s read", "#Rows/s written", "#Read back",
                                      "#MB/s read", "#MB/s written"});
  const auto rows = rates_of(job, &Figures::rows_read, count);
  const auto written = rates_of(job, &Figures::rows_written, count);
  const auto back = rates_of(job, &Figures::rows_read_back, count);
  const auto bytes = rates_of(job, &Figures::bytes_read, count);
  const auto bytes_written = rates_of(job, &Figures::bytes_written, count);
  for (std::size_t at = 0; at < count; ++at) {
    table.row({clock_text(job.seconds * static_cast<double>(at) / static_cast<double>(count)),
               short_number(rows[at]), short_number(written[at]), short_number(back[at]),
               fmt::format("{:.1f}", bytes[at] / 1e6),
               fmt::format("{:.1f}", bytes_written[at] / 1e6)});
  }
  return html_fold("Rates as a table", table.html(), false);
}

}  // namespace

std::string stages_section(const HtmlReport& report) {
  const std::string drawing = report.recorded.stages.empty() ? "" : gantt(report.recorded);
  const std::string html = drawing + stage_table(report);
  return html.empty() ? html : html_section("stages", "Stages", html);
}

std::string rates_section(const HtmlReport& report) {
  const RecordedJob& job = report.recorded;
  std::string html;
  const bool has_rows =
      total_of(job, &Figures::rows_read) > 0 || total_of(job, &Figures::rows_read_back) > 0;
  if (has_rows && job.seconds > 0) {
    html += rate_plot(job, "Rows", "rows a second",
                      {line_of("read", job, &Figures::rows_read, 1),
                       line_of("written", job, &Figures::rows_written, 1),
                       line_of("read back", job, &Figures::rows_read_back, 1)});
    html += rate_plot(job, "Bytes", "MB a second",
                      {line_of("read", job, &Figures::bytes_read, 1e6),
                       line_of("written", job, &Figures::bytes_written, 1e6),
                       line_of("read back", job, &Figures::bytes_read_back, 1e6)});
    html += share_html(job) + memory_html(job) + rate_table(job);
  }
  html += waits_html(job) + thresholds_html(job) + marks_html(job);
  return html.empty() ? html : html_section("rates", "Rates and bottlenecks", html);
}

}  // namespace pgfanout
