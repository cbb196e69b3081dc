// How rows spread over the leaves, and each leaf's digest for the record.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "copier/base/counted.h"
#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/html/svg_plot.h"
#include "copier/report/result/summary_parts.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostBars = 200;
constexpr std::size_t kLargest = 5;

using Size = std::uint64_t PartitionSummary::*;

std::vector<double> sizes_of(const std::vector<PartitionSummary>& leaves, Size size) {
  std::vector<double> values;
  values.reserve(leaves.size());
  for (const PartitionSummary& leaf : leaves) values.push_back(static_cast<double>(leaf.*size));
  return values;
}

/// The largest of each `each` neighbours: what matters is how far a leaf goes beyond the mean.
std::vector<double> largest_of_each(const std::vector<double>& values, std::size_t each) {
  std::vector<double> largest;
  for (std::size_t at = 0; at < values.size(); at += each) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end =
        values.begin() + static_cast<std::ptrdiff_t>(std::min(at + each, values.size()));
    largest.push_back(*std::max_element(begin, end));
  }
  return largest;
}

std::vector<PlotTick> leaf_ticks(const std::vector<PartitionSummary>& leaves) {
  constexpr std::size_t kTicks = 5;
  std::vector<PlotTick> ticks;
  const std::size_t step = std::max<std::size_t>(1, (leaves.size() + kTicks - 1) / kTicks);
  for (std::size_t at = 0; at < leaves.size(); at += step) {
    ticks.push_back({(static_cast<double>(at) + 0.5) / static_cast<double>(leaves.size()),
                     leaves[at].key ? std::to_string(*leaves[at].key) : std::to_string(at + 1)});
  }
  return ticks;
}

std::string spread_plot(const std::vector<PartitionSummary>& leaves, Size size,
                        const std::string& what, double scale, const std::string& unit) {
  std::vector<double> values = sizes_of(leaves, size);
  for (double& value : values) value /= scale;
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const double mean = sum / static_cast<double>(values.size());
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const std::size_t each = (values.size() + kMostBars - 1) / kMostBars;
  PlotFrame frame;
  frame.title = what + " in each leaf";
  frame.unit = each == 1 ? unit : fmt::format("{}; a bar is the largest of {} leaves", unit, each);
  frame.x_label = leaves.front().key ? "key of the leaf" : "number of the leaf";
  frame.words =
      fmt::format("{}: least {} {}, mean {}, most {}.", counted(leaves.size(), "leaf", "leaves"),
                  short_number(*least), unit, short_number(mean), short_number(*most));
  frame.x_ticks = leaf_ticks(leaves);
  return bar_plot(frame, largest_of_each(values, each), mean);
}

std::string largest_table(const std::vector<PartitionSummary>& leaves) {
  std::vector<const PartitionSummary*> order;
  for (const PartitionSummary& leaf : leaves) order.push_back(&leaf);
  const std::size_t shown = std::min(kLargest, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [](const PartitionSummary* a, const PartitionSummary* b) {
                      return a->rows != b->rows ? a->rows > b->rows : a->key < b->key;
                    });
  const double rows = std::accumulate(leaves.begin(), leaves.end(), 0.0,
                                      [](double sum, const PartitionSummary& leaf) {
                                        return sum + static_cast<double>(leaf.rows);
                                      });
  const double mean = rows / static_cast<double>(leaves.size());
  HtmlTable table("The largest leaves",
                  {"Largest leaves", "#Key", "#Rows", "#Of the mean", "#Bytes"});
  for (std::size_t at = 0; at < shown; ++at) {
    const PartitionSummary& leaf = *order[at];
    table.row({html_text(leaf.table), leaf.key ? std::to_string(*leaf.key) : "",
               with_commas(leaf.rows),
               mean > 0 ? fmt::format("{:.2f}", static_cast<double>(leaf.rows) / mean) : "",
               bytes_text(static_cast<double>(leaf.bytes))});
  }
  return table.html("narrow");
}

}  // namespace

std::string leaves_section(const HtmlReport& report) {
  const ReadResult* read = read_part(report.result);
  if (read == nullptr || read->partitions.empty()) return {};
  const auto& leaves = read->partitions;
  std::string html = "<p>Leaves: " + html_text(leaves_text(*read)) + ".";
  if (read->skew) {
    html +=
        " <span class=\"quiet\">Skew is the largest leaf's rows over the mean; 1 is even.</span>";
  }
  html += "</p>\n" + spread_plot(leaves, &PartitionSummary::rows, "Rows", 1, "rows");
  const auto bytes = sizes_of(leaves, &PartitionSummary::bytes);
  const double most = *std::max_element(bytes.begin(), bytes.end());
  if (most > 0) {
    const bool is_small = most < 1e6;
    html += spread_plot(leaves, &PartitionSummary::bytes, "Row data", is_small ? 1e3 : 1e6,
                        is_small ? "kB" : "MB");
  }
  return html_section("leaves", "Distribution", html + largest_table(leaves));
}

std::string digests_section(const HtmlReport& report) {
  const ReadResult none;
  const ReadResult* read = read_part(report.result);
  const auto& leaves = (read == nullptr ? none : *read).partitions;
  HtmlTable sides("Digests of both sides", {"Side", "Table", "#Rows", "Digest"});
  for (const auto& [name, side] :
       {std::pair{"source", &report.result.source}, std::pair{"target", &report.result.target}}) {
    if (!*side || (*side)->digest.empty()) continue;
    sides.row({name, html_text((*side)->table), with_commas((*side)->rows),
               digest_html((*side)->digest)});
  }
  HtmlTable table("Digest of each leaf", {"Leaf", "#Key", "#Rows", "#Bytes", "Digest"});
  for (const PartitionSummary& leaf : leaves) {
    table.row({html_text(leaf.table), leaf.key ? std::to_string(*leaf.key) : "",
               with_commas(leaf.rows), with_commas(leaf.bytes),
               leaf.digest.empty() ? "" : "<code>" + html_text(leaf.digest) + "</code>"});
  }
  if (sides.is_empty() && table.is_empty()) return {};
  std::string html =
      "<p class=\"quiet\">A digest is the sum of all rows' 128-bit XXH3 digests: equal "
      "whatever their order, different if one byte is.</p>\n";
  if (!sides.is_empty()) html += sides.html();
  if (!table.is_empty()) {
    html += html_fold(counted(leaves.size(), "leaf", "leaves"), table.html("tall"), true);
  }
  return html_section("digests", "Digests for the record", html);
}

}  // namespace pgfanout
