#include "copier/report/html/html_report.h"

#include <fmt/chrono.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "copier/base/amount.h"
#include "copier/base/lists.h"
#include "copier/report/html/html.h"
#include "copier/report/html/html_style.h"
#include "copier/report/html/svg_plot.h"
#include "copier/report/result/summary.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"
#include "pgfanout/job.h"

namespace pgfanout {
namespace {

/// "2026-11-21 04:00:00 UTC".
std::string utc_words(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::time_point_cast<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)));
}

/// A digest that may break across lines.
std::string digest_html(const std::string& digest) {
  const std::size_t half = digest.size() / 2;
  return "<code class=\"digest\">" + html_text(digest.substr(0, half)) + "<wbr/>" +
         html_text(digest.substr(half)) + "</code>";
}

/// The bound, of a leaf by columns.
std::string key_text(const PartitionSummary& leaf) {
  if (!leaf.bound.empty()) return html_text(leaf.bound);
  return leaf.key ? std::to_string(*leaf.key) : "";
}

std::string html_list(const std::vector<std::string>& texts, const char* separator) {
  return joined(texts, separator, html_text);
}

std::string quiet(const std::string& html) {
  return "<span class=\"quiet\">" + html + "</span>";
}

// The sections of the report, in its order. Each is empty if it has nothing to show.

// The verdict, for readers who read nothing else.

/// Headline, sentence, and meaning for the person who has to decide.
struct Words {
  std::string word;
  std::string sentence;
  std::string_view meaning;
};

struct ErrorWords {
  const char* word;
  const char* meaning;
};

/// In the order of Consequence.
constexpr std::array kErrorWords = {
    ErrorWords{"Refused",
               "The job did not begin, or must not go on. The same command would end the same "
               "way."},
    ErrorWords{"Interrupted",
               "The job stopped part-way. Nothing is damaged; the same command resumes it."},
    ErrorWords{"Unproven",
               "A check did not run to its end, or a side may have changed meanwhile. Do not rely "
               "on the target."}};

std::string_view meaning_of(const JobResult& result) {
  if (result.verdict == Verdict::differs && has_equal_rows(result)) {
    return "Every row is the same on both sides; a check beside the rows failed, and is named "
           "below.";
  }
  if (result.verdict == Verdict::differs) {
    return "The job ran to its end and found differences, or a check that failed; they are named "
           "below. The target must not replace the source as it is.";
  }
  if (final_verdict(result) == Verdict::unproven) return "Do not rely on the target.";
  const bool has_digests = result.source && result.target && !result.source->digest.empty();
  if (!has_digests || result.source->digest != result.target->digest) return {};
  if (is_by_hash(result)) {
    return "Match: each server has read and hashed every row of its side, and both give the same "
           "counts and the same sums of 64-bit hashes for each leaf. That finds accidents, not "
           "forgery.";
  }
  return "Match: every row of the source and every row of the target was read, and both give the "
         "same count and the same 128-bit digest.";
}

Words words_of(const HtmlReport& report) {
  const JobResult& result = report.result;
  if (result.error) {
    const ErrorWords& words = kErrorWords.at(static_cast<std::size_t>(result.error->consequence));
    return {words.word, result.error->message, words.meaning};
  }
  if (!result.waiting_at.empty()) {
    return {"Waiting",
            fmt::format("{} is done, and its gate waits for a person", result.waiting_at),
            "All stages so far have passed. The job waits until a person confirms."};
  }
  std::string line = outcome_line(result, report.next);
  line.pop_back();
  const std::size_t colon = line.find(": ");
  if (line[0] >= 'a') line[0] = static_cast<char>(line[0] - 'a' + 'A');
  return {line.substr(0, colon), colon == std::string::npos ? "" : line.substr(colon + 2),
          meaning_of(result)};
}

struct ExitWords {
  const char* mark;
  const char* meaning;
};

/// By exit code.
constexpr std::array kExitWords = {
    ExitWords{"\u2713", "done, and proven"}, ExitWords{"\u2260", "differences, or failed checks"},
    ExitWords{"\u2715", "could not start, or must not go on"},
    ExitWords{"\u2016", "stopped part-way, or waiting: can be resumed"},
    ExitWords{"?", "could not be proven"}};

const ExitWords& exit_words_of(const JobResult& result) {
  return kExitWords.at(static_cast<std::size_t>(exit_code_of(result)));
}

std::string rejects_table(const JobResult& result) {
  return html_text(result.target ? result.target->table : "<target>") + "_rejects";
}

std::string side_html(const std::optional<TableSummary>& side) {
  if (!side) return {};
  std::string html = "<strong>" + html_text(side->table) + "</strong>";
  if (!side->digest.empty() || side->rows > 0) html += "<br/>" + rows_text(side->rows);
  if (!side->digest.empty()) html += "<br/>" + digest_html(side->digest);
  if (!side->server_version.empty()) {
    html += "<br/>" + quiet("PostgreSQL " + html_text(side->server_version));
  }
  return html;
}

std::string copied_html(const JobResult& result) {
  for (const StageSummary& stage : result.stages) {
    if (stage.name == "copy" && stage.status == "ok") return html_text(stage.detail);
  }
  return {};
}

std::string facts_html(const HtmlReport& report) {
  const JobResult& result = report.result;
  const auto took = std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::duration<double>(report.recorded.seconds));
  const bool came_to_look = !result.error || !result.job.empty();
  std::string facts;
  const auto add = [&](std::string_view name, const std::string& html) {
    if (!html.empty()) facts += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, html);
  };
  add("Table", result.source ? side_html(result.source)
                             : "<strong>" + html_text(report.next.table) + "</strong>");
  add("Target", side_html(result.target));
  // A call that resumed after the copy knows it by the journal only.
  if (!result.target || result.target->digest.empty()) add("Copied", copied_html(result));
  add("When", fmt::format("{}<br/>to {}<br/>{}", utc_words(report.recorded.began),
                          utc_words(report.recorded.began + took),
                          quiet(seconds_text(report.recorded.seconds))));
  add("Job", result.job.empty() ? quiet("none was begun") : html_code(result.job));
  add("By", fmt::format("pgfanout {} {}", tool_version(), html_text(result.command)));
  add("Exit code",
      fmt::format("{} {}", exit_code_of(result), quiet(exit_words_of(result).meaning)));
  add("Writes to the source",
      result.writes_refused ? "refused by a fence"
      : came_to_look && result.command != "verify" && result.command != "queries" ? "allowed"
                                                                                  : "as they were");
  const CopyResult& copied = or_empty(copy_part(result));
  if (copied.rows_rejected > 0) {
    add("Set aside", rows_text(copied.rows_rejected) + ", in " + rejects_table(result));
  }
  const JobStatus* status = job_status_of(result);
  if (status != nullptr && !status->backup.empty()) {
    add("Backup", html_text(status->backup) +
                      (status->keep_until.empty()
                           ? ""
                           : "<br/>" + quiet("kept until " + html_text(status->keep_until))));
  }
  return "<dl class=\"facts\">\n" + facts + "</dl>\n";
}

/// A line may break between words, not after a hyphen within one.
std::string command_html(std::string_view command) {
  constexpr std::size_t kLongest = 24;  // Longer ones may have to break.
  std::string html;
  while (true) {
    const std::size_t end = std::min(command.find(' '), command.size());
    const std::string_view word = command.substr(0, end);
    const bool is_whole = word.size() <= kLongest && word.find('-') != std::string_view::npos;
    html += is_whole ? "<span class=\"word\">" + html_text(word) + "</span>" : html_text(word);
    if (end == command.size()) return "<code>" + html + "</code>";
    html += ' ';
    command.remove_prefix(end + 1);
  }
}

std::string next_html(const HtmlReport& report) {
  const JobResult& result = report.result;
  std::string html;
  if (result.error && !result.error->where.empty()) {
    html += "<p>Where: " + html_text(result.error->where) + "</p>\n";
  }
  if (result.error && !result.error->hint.empty()) {
    html += "<p>" + html_text(result.error->hint) + "</p>\n";
  }
  for (const auto& [what, command] : next_steps(result, report.next)) {
    html += fmt::format("<p class=\"command\"><span>{}</span> {}</p>\n", html_text(what),
                        command_html(command));
  }
  if (result.writes_refused && !report.next.release.empty()) {
    html += fmt::format("<p class=\"command\"><span>to lift the fence</span> {}</p>\n",
                        command_html(report.next.release));
  }
  return html.empty() ? html : "<div class=\"next\"><h2>What to do next</h2>\n" + html + "</div>\n";
}

std::string verdict_section(const HtmlReport& report) {
  const Words words = words_of(report);
  std::string html = fmt::format(
      "<header class=\"verdict {}\">\n<p class=\"kicker\">pgfanout {}</p>\n<h1><span "
      "class=\"sign\" aria-hidden=\"true\">{}</span>{}</h1>\n",
      html_attribute(status_of(report.result)), html_text(report.result.command),
      exit_words_of(report.result).mark, html_text(words.word));
  if (!words.sentence.empty()) {
    html += "<p class=\"sentence\">" + html_text(words.sentence) + "</p>\n";
  }
  if (!words.meaning.empty()) html += fmt::format("<p class=\"meaning\">{}</p>\n", words.meaning);
  return html + facts_html(report) + next_html(report) + "</header>\n";
}

// The sign-off page: the stages and gates of the window, who confirmed them, and lines to sign on.

constexpr const char* kLine = "<span class=\"ink\"></span>";

const StageSummary* stage_of(const JobResult& result, std::string_view name) {
  const auto found = std::find_if(result.stages.rbegin(), result.stages.rend(),
                                  [&](const StageSummary& stage) { return stage.name == name; });
  return found == result.stages.rend() ? nullptr : &*found;
}

/// A box to see at a glance, and the word for it.
std::string boxed(std::string_view mark, std::string_view words) {
  return fmt::format("<span class=\"state\"><span class=\"box\">{}</span> {}</span>", mark,
                     html_text(words));
}

std::string state_html(const HtmlReport& report, std::string_view name, const StageSummary* stage) {
  if (report.result.waiting_at == name) return boxed("\u2016", "waits for a person");
  if (stage == nullptr) return boxed(" ", "not reached");
  const bool is_good = stage->status == "ok" || stage->status == "confirmed";
  return is_good ? boxed("\u2713", "passed") : boxed("\u2715", stage->status);
}

std::string gate_html(const HtmlReport& report, std::string_view name, const StageSummary* stage) {
  if (stage != nullptr && !stage->confirmed_by.empty()) {
    return "confirmed by " + html_text(stage->confirmed_by) + "<br/>" +
           quiet(html_text(stage->confirmed_at));
  }
  return contains(report.gates, name) ? "a person confirms" : quiet("none");
}

std::string window_table(const HtmlReport& report) {
  HtmlTable table("Sign-off of the window's stages",
                  {"Stage", "State", "Gate", "What was found", "#Time", "Checked by, date"});
  for (const std::string_view name : kWindowStages) {
    const StageSummary* stage = stage_of(report.result, name);
    table.row({"<strong>" + std::string(name) + "</strong>", state_html(report, name, stage),
               gate_html(report, name, stage), stage == nullptr ? "" : html_text(stage->detail),
               stage == nullptr ? "" : seconds_text(stage->seconds), kLine});
  }
  return table.html("named sign");
}

std::string signatures() {
  std::string html = "<div class=\"signatures\">";
  for (const char* who : {"Carried out by", "Checked by", "Approved by"}) {
    html += fmt::format("<div><p>{}</p>{}<p class=\"quiet\">name, date, signature</p></div>", who,
                        kLine);
  }
  return html + "</div>\n";
}

std::string signoff_section(const HtmlReport& report) {
  const std::string& command = report.result.command;
  const bool is_window = command == "run" || command == "swap";
  return html_section("sign-off", "Sign-off",
                      (is_window ? window_table(report) : std::string()) + signatures());
}

// Findings: rows that differ, rows set aside, issues, and gaps of the schema.

constexpr std::size_t kMostRows = 1000;

std::string identity_html(const RowDifference& row) {
  const std::string html = joined(row.identity, "<br/>", [](const IdentityValue& value) {
    return fmt::format("{} = {}", html_text(value.column),
                       value.value ? html_code(*value.value) : "NULL");
  });
  return html.empty() ? quiet("no primary key") : html;
}

std::string counts_table(const Differences& differences) {
  HtmlTable table("Differences by kind", {"Kind", "#Rows", "Meaning"});
  table.row({"missing", with_commas(differences.missing), "in the source only"});
  table.row({"extra", with_commas(differences.extra), "in the target only"});
  table.row({"changed", with_commas(differences.changed), "same identity, other content"});
  table.row({"misplaced", with_commas(differences.misplaced), "same content, wrong key or leaf"});
  return table.html("narrow");
}

std::string rows_html(const Differences& differences) {
  HtmlTable table("Rows that differ", {"Kind", "Identity", "Source", "Target", "Columns"});
  const std::size_t shown = std::min(kMostRows, differences.rows.size());
  for (std::size_t at = 0; at < shown; ++at) {
    const RowDifference& row = differences.rows[at];
    table.row({html_text(row.kind), identity_html(row), html_text(row.source),
               html_text(row.target), html_list(row.columns, ", ")});
  }
  if (table.is_empty()) return {};
  std::string html = table.html("tall");
  if (differences.total() > shown) {
    html += fmt::format("<p>Named are the first {} of {}. {}</p>\n", with_commas(shown),
                        rows_text(differences.total()),
                        differences.rows.size() > shown
                            ? "The JSON document (--json) names more."
                            : "--max-differences limits how many are named.");
  }
  return html;
}

std::string severity_html(Severity severity) {
  return fmt::format("<span class=\"severity {0}\">{0}</span>",
                     kSeverityNames.at(static_cast<std::size_t>(severity)));
}

std::string differences_section(const HtmlReport& report) {
  const Differences* differences = differences_of(report.result);
  if (differences == nullptr) return {};
  return html_section("differences", "Differences",
                      differences->total() == 0
                          ? "<p>All rows that were compared are equal.</p>\n"
                          : counts_table(*differences) + rows_html(*differences));
}

std::string issues_section(const HtmlReport& report) {
  const JobResult& result = report.result;
  HtmlTable table("Issues", {"Severity", "What was found", "Where", "What to do"});
  if (result.error) {
    const bool is_critical = result.error->consequence == Consequence::unproven;
    table.row(
        {severity_html(is_critical ? Severity::critical : Severity::error),
         html_text(result.error->message) + "<br/>" + html_code(result.error->code) +
             (result.error->sqlstate.empty() ? ""
                                             : " SQLSTATE " + html_code(result.error->sqlstate)),
         html_text(result.error->where), html_text(result.error->hint)});
  }
  for (const Issue& issue : issues_beside_error(result)) {
    table.row({severity_html(issue.severity),
               html_text(issue.message) + "<br/>" + html_code(issue.code), html_text(issue.where),
               html_text(issue.hint)});
  }
  std::string html;
  const CopyResult& copied = or_empty(copy_part(result));
  if (copied.rows_rejected > 0) {
    html += fmt::format(
        "<p>{} of the source {} set aside in <strong>{}</strong>, each with the reason; they are "
        "in no leaf.</p>\n",
        rows_text(copied.rows_rejected), copied.rows_rejected == 1 ? "is" : "are",
        rejects_table(result));
  }
  const ReadResult& read = or_empty(read_part(result));
  if (read.key_mismatches > 0) {
    html += fmt::format("<p>{} stored another key than the expression gives.</p>\n",
                        rows_text(read.key_mismatches));
  }
  html += table.is_empty() ? "<p>None.</p>\n" : table.html();
  return html_section("issues", "Issues", html);
}

// The job over time: stages, rates, where the time went, memory, thresholds.

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
      "the call began, at {} (minutes:seconds)</p></figure>\n",
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
    const auto record = std::ranges::find(report.recorded.stages, stage.name, &RecordedStage::name);
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

/// Rates of reading, writing and reading back; `scale` of the counters is one of the unit.
std::string rate_plot(const RecordedJob& job, const std::string& title, const std::string& unit,
                      double scale, Counter read, Counter written, Counter read_back) {
  PlotFrame frame = time_frame(job, title, unit);
  std::vector<PlotLine> lines;
  for (const auto& [name, counter] : {std::pair{"read", read}, std::pair{"written", written},
                                      std::pair{"read back", read_back}}) {
    PlotLine& line = lines.emplace_back(PlotLine{name, {}});
    const std::vector<double> rates = rates_of(job, counter, piece_count(job.seconds));
    const auto count = static_cast<double>(rates.size());
    double most = 0;
    for (std::size_t at = 0; at < rates.size(); ++at) {
      line.points.emplace_back((static_cast<double>(at) + 0.5) / count, rates[at] / scale);
      most = std::max(most, rates[at] / scale);
    }
    frame.words += fmt::format("{} at most {} {}. ", name, short_number(most), unit);
  }
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
  const double whole =
      sum_of(kShares, [&](const Share& share) { return total_of(job, share.counter); });
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
  std::ranges::sort(waits, std::ranges::greater(), &RecordedWait::sessions);
  const auto all = static_cast<double>(sum_of(waits, &RecordedWait::sessions));
  HtmlTable table("What the servers' sessions did",
                  {"Side", "Session was at", "#Share of samples"});
  for (std::size_t at = 0; at < std::min<std::size_t>(waits.size(), 15); ++at) {
    table.row({html_text(waits[at].side), html_text(waits[at].event),
               fmt::format("{:.1f} %", static_cast<double>(waits[at].sessions) / all * 100)});
  }
  return table.html_under("What the servers' sessions did", "narrow");
}

std::string marks_html(const RecordedJob& job) {
  HtmlTable table("What happened when", {"#After", "What", "In words"});
  for (const RecordedMark& mark : job.marks) {
    table.row({seconds_text(mark.at), html_code(mark.what), html_text(mark.text)});
  }
  if (table.is_empty()) return {};
  return "<h3>Thresholds, gates and errors</h3>\n<p class=\"quiet\">Each is an upright dotted line "
         "in the plots.</p>\n" +
         table.html();
}

std::string thresholds_html(const RecordedJob& job) {
  HtmlTable table("Thresholds", {"Threshold", "Action", "#Limit", "#At the end", "Remark"});
  for (const ThresholdState& each : job.thresholds) {
    table.row({name_of(each.measure), name_of(each.action), fmt::format("{:.6g}", each.limit),
               each.value ? fmt::format("{:.4g}", *each.value) : "not measured",
               html_text((each.is_crossed ? "crossed; " : "") + each.detail)});
  }
  return table.html_under("Thresholds", "narrow");
}

std::string rate_table(const RecordedJob& job) {
  constexpr std::size_t kMostRateRows = 30;
  const std::size_t count = std::min(piece_count(job.seconds), kMostRateRows);
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
    html += rate_plot(job, "Rows", "rows a second", 1, &Figures::rows_read, &Figures::rows_written,
                      &Figures::rows_read_back);
    html += rate_plot(job, "Bytes", "MB a second", 1e6, &Figures::bytes_read,
                      &Figures::bytes_written, &Figures::bytes_read_back);
    html += share_html(job) + memory_html(job) + rate_table(job);
  }
  html += waits_html(job) + thresholds_html(job) + marks_html(job);
  return html.empty() ? html : html_section("rates", "Rates and bottlenecks", html);
}

// How rows spread over the leaves, and the digest of each leaf.

constexpr std::size_t kMostBars = 200;
constexpr std::size_t kLargest = 5;

using Size = std::uint64_t PartitionSummary::*;

std::vector<double> sizes_of(const std::vector<PartitionSummary>& leaves, Size size) {
  return parts_of(leaves,
                  [&](const PartitionSummary& leaf) { return static_cast<double>(leaf.*size); });
}

/// The largest of each `each` neighbours, since only leaves above the mean matter.
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
                     leaves[at].bound.empty() && leaves[at].key ? std::to_string(*leaves[at].key)
                                                                : std::to_string(at + 1)});
  }
  return ticks;
}

std::string spread_plot(const std::vector<PartitionSummary>& leaves, Size size,
                        const std::string& what, double scale, const std::string& unit) {
  std::vector<double> values = sizes_of(leaves, size);
  for (double& value : values) value /= scale;
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const double mean = sum / static_cast<double>(values.size());
  const auto [least, most] = std::ranges::minmax_element(values);
  const std::size_t each = (values.size() + kMostBars - 1) / kMostBars;
  PlotFrame frame;
  frame.title = what + " in each leaf";
  frame.unit = each == 1 ? unit : fmt::format("{}; a bar is the largest of {} leaves", unit, each);
  const bool has_key = leaves.front().bound.empty() && leaves.front().key;
  frame.x_label = has_key ? "key of the leaf" : "number of the leaf";
  frame.words =
      fmt::format("{}: least {} {}, mean {}, most {}.", counted(leaves.size(), "leaf", "leaves"),
                  short_number(*least), unit, short_number(mean), short_number(*most));
  frame.x_ticks = leaf_ticks(leaves);
  return bar_plot(frame, largest_of_each(values, each), mean);
}

std::string largest_table(const std::vector<PartitionSummary>& leaves) {
  std::vector<PartitionSummary> largest(std::min(kLargest, leaves.size()));
  std::ranges::partial_sort_copy(leaves, largest,
                                 [](const PartitionSummary& a, const PartitionSummary& b) {
                                   return a.rows != b.rows ? a.rows > b.rows : a.key < b.key;
                                 });
  const std::vector<double> rows = sizes_of(leaves, &PartitionSummary::rows);
  const double mean =
      std::accumulate(rows.begin(), rows.end(), 0.0) / static_cast<double>(rows.size());
  HtmlTable table("The largest leaves",
                  {"Largest leaves", "#Key", "#Rows", "#Of the mean", "#Bytes"});
  for (const PartitionSummary& leaf : largest) {
    table.row({html_text(leaf.table), key_text(leaf), with_commas(leaf.rows),
               mean > 0 ? fmt::format("{:.2f}", static_cast<double>(leaf.rows) / mean) : "",
               amount_of_bytes(leaf.bytes)});
  }
  return table.html("narrow");
}

std::string leaves_section(const HtmlReport& report) {
  const ReadResult& read = or_empty(read_part(report.result));
  const auto& leaves = read.partitions;
  if (leaves.empty()) return {};
  std::string html = "<p>Leaves: " + html_text(leaves_text(read)) + ".";
  if (read.skew) html += " " + quiet("Skew is the largest leaf's rows over the mean; 1 is even.");
  html += "</p>\n" + spread_plot(leaves, &PartitionSummary::rows, "Rows", 1, "rows");
  const auto bytes = sizes_of(leaves, &PartitionSummary::bytes);
  const double most = *std::ranges::max_element(bytes);
  if (most > 0) {
    const bool is_small = most < 1e6;
    html += spread_plot(leaves, &PartitionSummary::bytes, "Row data", is_small ? 1e3 : 1e6,
                        is_small ? "kB" : "MB");
  }
  return html_section("leaves", "Distribution", html + largest_table(leaves));
}

std::string digests_section(const HtmlReport& report) {
  const auto& leaves = or_empty(read_part(report.result)).partitions;
  HtmlTable sides("Digests of both sides", {"Side", "Table", "#Rows", "Digest"});
  for (const auto& [name, side] :
       {std::pair{"source", &report.result.source}, std::pair{"target", &report.result.target}}) {
    if (!*side || (*side)->digest.empty()) continue;
    sides.row({name, html_text((*side)->table), with_commas((*side)->rows),
               digest_html((*side)->digest)});
  }
  HtmlTable table("Digest of each leaf", {"Leaf", "#Key", "#Rows", "#Bytes", "Digest"});
  for (const PartitionSummary& leaf : leaves) {
    table.row({html_text(leaf.table), key_text(leaf), with_commas(leaf.rows),
               with_commas(leaf.bytes), leaf.digest.empty() ? "" : html_code(leaf.digest)});
  }
  if (sides.is_empty() && table.is_empty()) return {};
  std::string html =
      is_by_hash(report.result)
          ? "<p class=\"quiet\">A digest here is the sum of 64-bit hashes that the server made of "
            "its rows: equal whatever their order, different if one byte is. It is no digest of "
            "copy, nor of verify --stream.</p>\n"
          : "<p class=\"quiet\">A digest is the sum of all rows' 128-bit XXH3 digests: equal "
            "whatever their order, different if one byte is.</p>\n";
  if (!sides.is_empty()) html += sides.html();
  if (!table.is_empty()) {
    html += html_fold(counted(leaves.size(), "leaf", "leaves"), table.html("tall"), true);
  }
  return html_section("digests", "Digests for the record", html);
}

std::string criteria_section(const HtmlReport& report) {
  const std::vector<CriterionResult>& criteria = criteria_of(report.result);
  if (criteria.empty()) return {};
  HtmlTable table("Criteria", {"Criterion", "Status", "If it fails", "What was found"});
  for (const CriterionResult& each : criteria) {
    const std::string status = html_text(each.status);
    table.row({html_text(each.name),
               each.status == "fail" ? "<strong>" + status + "</strong>" : status,
               severity_html(each.severity),
               html_text(each.detail) + (each.code.empty() ? "" : "<br/>" + html_code(each.code))});
  }
  return html_section("criteria", "Criteria", table.html());
}

std::string schema_section(const HtmlReport& report) {
  const VerifyResult& verified = or_empty(std::get_if<VerifyResult>(&report.result.details));
  const std::vector<Impact>& impacts = impact_of(report.result);
  if (verified.schema.empty() && impacts.empty()) return {};
  HtmlTable gaps("Gaps of the schema", {"Severity", "Object", "Gap", "Impact"});
  std::size_t same = 0;
  for (const SchemaFinding& finding : verified.schema) {
    if (finding.gap == "none") {
      ++same;
      continue;
    }
    gaps.row({severity_html(finding.severity),
              html_text(finding.kind) + " <strong>" + html_text(finding.name) + "</strong>",
              html_text(finding.gap), html_text(finding.impact)});
  }
  HtmlTable counts("Objects by kind",
                   {"Kind", "Source", "Target", "Missing", "Extra", "Different"});
  for (const SchemaCount& each : count_by_kind(verified.schema)) {
    counts.row({html_text(each.kind), with_commas(each.source), with_commas(each.target),
                with_commas(each.missing), with_commas(each.extra), with_commas(each.different)});
  }
  std::string html;
  if (!verified.schema.empty()) {
    html += fmt::format("<p>{} compared, {} without a gap.</p>\n",
                        counted(verified.schema.size(), "object", "objects"), with_commas(same));
  }
  if (!counts.is_empty()) html += counts.html();
  if (!gaps.is_empty()) html += gaps.html();
  if (!verified.deployment_order.empty()) {
    html += "<h3>To deploy, SQL in this order</h3>\n<ol>\n";
    for (const std::string& each : verified.deployment_order)
      html += "<li>" + html_code(each) + "</li>\n";
    html += "</ol>\n";
  }
  HtmlTable impact("Impact on the application", {"After the swap", "Objects", "Advice"});
  for (const Impact& each : impacts) {
    impact.row({html_text(each.what), html_list(each.objects, "<br/>"), html_text(each.advice)});
  }
  return html_section("schema", "Schema",
                      html + impact.html_under("Impact on the application", ""));
}

// The application's queries before and after.

std::string times_html(const std::optional<QuerySide>& side) {
  if (!side || !side->times) return {};
  return fmt::format("{:.1f}<br/>{:.1f}<br/>{:.1f}", side->times->p50, side->times->p95,
                     side->times->p99);
}

std::string plan_html(const QueryResult& query) {
  const auto one = [](const char* name, const std::optional<QuerySide>& side) {
    if (!side || side->plan.empty()) return std::string();
    return fmt::format("{}: {}<br/>", name, html_text(side->plan));
  };
  const std::optional<QuerySide>& last = query.target ? query.target : query.source;
  return one("before", query.source) + one("after", query.target) +
         quiet(last ? html_list(last->indexes_used, ", ") : "");
}

std::string load_text(const char* name, const std::optional<QueryLoad>& load) {
  if (!load) return {};
  const auto percent = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.0f} %", *value) : "not measured";
  };
  return fmt::format("{}: processors {}, memory {} during {}. ", name, percent(load->cpu_percent),
                     percent(load->memory_percent), seconds_text(load->seconds));
}

std::string advice_html(const std::vector<IndexAdvice>& all) {
  if (all.empty()) return "<p>No index would help these queries.</p>\n";
  HtmlTable table("Advice", {"Priority", "Query", "Kind", "#Cost before", "#Cost after", "Tried",
                             "What would help"});
  const auto cost = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.1f}", *value) : std::string();
  };
  for (const IndexAdvice& advice : all) {
    table.row({html_text(advice.priority), html_text(advice.query), html_text(advice.kind),
               cost(advice.cost_before), cost(advice.cost_after), html_text(advice.tried),
               html_text(advice.reason) + "<br/>" + html_code(advice.sql)});
  }
  return table.html();
}

std::string queries_section(const HtmlReport& report) {
  if (!report.result.queries || report.result.queries->queries.empty()) return {};
  const QueryReport& queries = *report.result.queries;
  HtmlTable table("Queries", {"Query", "Status", "Result", "#Before, ms", "#After, ms", "#Ratio",
                              "#Leaves", "Plan and indexes"});
  for (const QueryResult& query : queries.queries) {
    const std::optional<QuerySide>& last = query.target ? query.target : query.source;
    std::string said = html_text(status_of(query));
    for (const std::string& failure : query.failures) said += "<br/>" + html_text(failure);
    if (!query.note.empty()) said += "<br/>" + quiet(html_text(query.note));
    constexpr std::size_t kShownSql = 300;
    const std::string sql =
        query.sql.size() > kShownSql ? query.sql.substr(0, kShownSql) + " ..." : query.sql;
    table.row(
        {html_text(query.name) + "<br/>" + quiet(html_code(sql)), said, name_of(query.answer),
         times_html(query.source), times_html(query.target),
         query.ratio ? fmt::format("{:.2f}", *query.ratio) : "",
         last && last->leaves_read ? fmt::format("{} of {}", *last->leaves_read, last->leaves) : "",
         plan_html(query)});
  }
  std::string html =
      "<p class=\"quiet\">Times are p50, p95 and p99; before is the old table, after "
      "the new one.</p>\n" +
      table.html();
  const std::string load =
      load_text("Before", queries.source_load) + load_text("After", queries.target_load) +
      (queries.load_not_measured.empty() ? "" : "Not measured: " + queries.load_not_measured);
  if (!load.empty())
    html += "<p>The server's host, with these queries alone. " + html_text(load) + "</p>\n";
  if (!queries.unused_indexes.empty()) {
    html +=
        "<p>Indexes that none of these queries used: " + html_list(queries.unused_indexes, ", ") +
        "</p>\n";
  }
  if (queries.advice) html += advice_html(*queries.advice);
  return html_section("queries", "Queries", html);
}

// The settings, the machine and its resources.

std::string settings_section(const HtmlReport& report) {
  if (report.settings.empty()) return {};
  HtmlTable table("All settings", {"Option", "Value", "From"});
  std::string group;
  for (const ReportSetting& setting : report.settings) {
    if (setting.group != group) {
      group = setting.group;
      table.row({"<em>" + html_text(group) + "</em>", "", ""});
    }
    table.row({html_code(setting.name), html_text(setting.value),
               setting.is_default ? quiet("default") : "given"});
  }
  return html_section("settings", "All settings", table.html("narrow"));
}

std::string machine_section(const HtmlReport& report) {
  HtmlTable table("Machine and resources", {"What", "Value"});
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) table.row({what, html_text(value)});
  };
  const JobResult& result = report.result;
  if (result.source) add("Source's server", "PostgreSQL " + result.source->server_version);
  if (result.target) add("Target's server", "PostgreSQL " + result.target->server_version);
  add("Client's system", report.machine.system);
  add("Client's processors", std::to_string(report.machine.processors));
  if (report.machine.memory_bytes > 0) {
    add("Client's memory", amount_of_bytes(report.machine.memory_bytes));
  }
  const std::uint32_t readers = or_empty(read_part(result)).readers;
  const std::uint32_t writers = or_empty(copy_part(result)).writers;
  if (readers > 0) add("Connections that read", std::to_string(readers));
  if (writers > 0) add("Connections that write", std::to_string(writers));
  add("Client's processor time", seconds_text(report.used.cpu_seconds));
  add("Client's memory at most", amount_of_bytes(report.used.peak_rss_bytes));
  add("Program", fmt::format("pgfanout {}, built by {}", tool_version(), compiler()));
  return html_section("machine", "Machine and resources", table.html("narrow"));
}

/// Fill patterns, which distinguish areas without colour.
constexpr const char* kPatterns =
    "<svg width=\"0\" height=\"0\" class=\"defs\" aria-hidden=\"true\"><defs>"
    "<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect class=\"under3\" width=\"6\" height=\"6\"/>"
    "<rect class=\"over3\" width=\"2\" height=\"6\"/></pattern>"
    "<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
    "<rect class=\"under4\" width=\"6\" height=\"6\"/>"
    "<circle class=\"over4\" cx=\"3\" cy=\"3\" r=\"1.4\"/></pattern></defs></svg>\n";

std::string title_of(const HtmlReport& report) {
  const std::string table = report.result.source ? report.result.source->table : report.next.table;
  return fmt::format("{}: {} {}", words_of(report).word, report.result.command, table);
}

Result<void> file_outcome(int number, const std::string& path, std::string_view what) {
  if (number == 0) return {};
  return refused("report-file", fmt::format("the report {}: {}", what, std::strerror(number)),
                 "name a file in a folder that exists and that you may write to", printable(path));
}

}  // namespace

std::string html_report(const HtmlReport& report) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
      "<meta name=\"generator\" content=\"pgfanout {}\"/>\n<link rel=\"icon\" "
      "href=\"data:,\"/>\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{}<main>\n",
      tool_version(), html_text(title_of(report)), kHtmlStyle, kPatterns);
  for (const auto section :
       {verdict_section, signoff_section, differences_section, criteria_section, issues_section,
        stages_section, leaves_section, rates_section, schema_section, queries_section,
        settings_section, machine_section, digests_section}) {
    html += section(report);
  }
  return html + "</main>\n</body>\n</html>\n";
}

Result<void> check_report_file(const std::string& path) {
  struct stat about {};
  // A device or a pipe would be replaced by a file.
  if (stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
    return file_outcome(S_ISDIR(about.st_mode) ? EISDIR : EEXIST, path, "must be an ordinary file");
  }
  return file_outcome(try_replace_file(path), path, "cannot be written");
}

Result<void> write_report_file(const std::string& path, std::string_view text) {
  const mode_t mask = umask(0);
  umask(mask);
  return file_outcome(replace_file(path, text, 0666 & ~mask, true), path, "could not be written");
}

}  // namespace pgfanout
