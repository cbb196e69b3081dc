// The verdict, for readers who read nothing else.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/counted.h"
#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/result/summary_parts.h"
#include "copier/report/result/verify_summary.h"
#include "copier/report/result/window_summary.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

bool has_issue(const JobResult& result, std::string_view code) {
  return std::any_of(result.issues.begin(), result.issues.end(),
                     [&](const Issue& issue) { return issue.code == code; });
}

/// "match: 10 rows ...": as the summary on the terminal begins.
std::string outcome_line(const HtmlReport& report) {
  const JobResult& result = report.result;
  if (result.command == "verify") return verify_verdict(result);
  if (result.command != "copy") return window_verdict(result, report.next);
  return has_issue(result, "released") ? "released: the source takes writes again"
                                       : verdict_line(result);
}

struct Words {
  std::string word;
  std::string sentence;
};

Words words_of_error(const Error& error) {
  switch (error.consequence) {
    case Consequence::refuse:
      return {"Refused", error.message};
    case Consequence::interrupt:
      return {"Interrupted", error.message};
    case Consequence::unproven:
      break;
  }
  return {"Unproven", error.message};
}

Words words_of(const HtmlReport& report) {
  const JobResult& result = report.result;
  if (result.error) return words_of_error(*result.error);
  if (!result.waiting_at.empty()) {
    return {"Waiting",
            fmt::format("{} is done, and its gate waits for a person", result.waiting_at)};
  }
  std::string line = outcome_line(report);
  if (line.ends_with('\n')) line.pop_back();
  const std::size_t colon = line.find(": ");
  Words words{line.substr(0, colon),
              colon == std::string::npos ? std::string() : line.substr(colon + 2)};
  if (!words.word.empty() && words.word[0] >= 'a') {
    words.word[0] = static_cast<char>(words.word[0] - 'a' + 'A');
  }
  return words;
}

/// The grounds of the verdict, and its meaning for the person who has to decide.
std::string meaning_of(const HtmlReport& report) {
  const JobResult& result = report.result;
  if (result.error) {
    switch (result.error->consequence) {
      case Consequence::refuse:
        return "The job did not begin, or must not go on. The same command would end the same way.";
      case Consequence::interrupt:
        return "The job stopped part-way. Nothing is damaged; the same command goes on.";
      case Consequence::unproven:
        break;
    }
    return "A check did not run to its end, or a side may have changed meanwhile. Do not rely on "
           "the target.";
  }
  if (!result.waiting_at.empty()) {
    return "All stages so far have passed. Nothing goes on until a person confirms.";
  }
  if (result.verdict == Verdict::differs) {
    return "The job ran to its end and found what is not equal, or a check that failed; it is "
           "named "
           "below. The target must not replace the source as it is.";
  }
  if (final_verdict(result) == Verdict::unproven) return "Do not rely on the target.";
  const bool has_digests = result.source && result.target && !result.source->digest.empty();
  if (!has_digests || result.source->digest != result.target->digest) return {};
  return "Match: every row of the source and every row of the target was read, and both give the "
         "same "
         "count "
         "and the same 128-bit digest.";
}

std::string_view mark_of(const std::string& status) {
  if (status == "ok") return "\u2713";
  if (status == "differences") return "\u2260";
  if (status == "refused") return "\u2715";
  return status == "unproven" ? "?" : "\u2016";
}

std::string_view meaning_of_exit(int code) {
  switch (code) {
    case 0:
      return "done, and proven";
    case 1:
      return "differences, or failed checks";
    case 2:
      return "could not start, or must not go on";
    case 3:
      return "stopped part-way, or waiting: can go on";
    default:
      return "could not be proven";
  }
}

class Facts {
 public:
  void add(std::string_view name, const std::string& html) {
    if (!html.empty()) items_ += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, html);
  }
  [[nodiscard]] std::string html() const { return "<dl class=\"facts\">\n" + items_ + "</dl>\n"; }

 private:
  std::string items_;
};

std::string side_html(const std::optional<TableSummary>& side) {
  if (!side) return {};
  std::string html = "<strong>" + html_text(side->table) + "</strong>";
  if (!side->digest.empty() || side->rows > 0) html += "<br/>" + rows_text(side->rows);
  if (!side->digest.empty()) html += "<br/>" + digest_html(side->digest);
  if (!side->server_version.empty()) {
    html += "<br/><span class=\"quiet\">PostgreSQL " + html_text(side->server_version) + "</span>";
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
  const int code = exit_code_of(result);
  const bool came_to_look = !result.error || !result.job.empty();
  Facts facts;
  facts.add("Table", result.source ? side_html(result.source)
                                   : "<strong>" + html_text(report.next.table) + "</strong>");
  facts.add("Target", side_html(result.target));
  // A call that went on behind the copy knows of it what the journal says.
  if (!result.target || result.target->digest.empty()) facts.add("Copied", copied_html(result));
  facts.add("When",
            fmt::format("{}<br/>to {}<br/><span class=\"quiet\">{}</span>",
                        utc_words(report.recorded.began), utc_words(report.recorded.began + took),
                        seconds_text(report.recorded.seconds)));
  facts.add("Job", result.job.empty() ? "<span class=\"quiet\">none was begun</span>"
                                      : html_code(result.job));
  facts.add("By", fmt::format("pgfanout {} {}", tool_version(), html_text(result.command)));
  facts.add("Exit code",
            fmt::format("{} <span class=\"quiet\">{}</span>", code, meaning_of_exit(code)));
  facts.add("Writes to the source", result.writes_refused ? "refused by a fence"
                                    : came_to_look && result.command != "verify" ? "allowed"
                                                                                 : "as they were");
  const CopyResult* copied = copy_part(result);
  if (copied != nullptr && copied->rows_rejected > 0) {
    facts.add("Set aside",
              fmt::format("{}, in {}_rejects", rows_text(copied->rows_rejected),
                          html_text(result.target ? result.target->table : "<target>")));
  }
  const JobStatus* status = job_status_of(result);
  if (status != nullptr && !status->backup.empty()) {
    facts.add("Backup",
              html_text(status->backup) + (status->keep_until.empty()
                                               ? ""
                                               : "<br/><span class=\"quiet\">kept until " +
                                                     html_text(status->keep_until) + "</span>"));
  }
  return facts.html();
}

std::vector<std::pair<std::string, std::string>> steps_of(const HtmlReport& report) {
  const JobResult& result = report.result;
  if (result.command != "copy" && result.command != "verify") {
    return next_steps(result, report.next);
  }
  if (exit_code_of(result) != 3 || report.next.again.empty()) return {};
  return {{"to go on", report.next.again}};
}

/// A line may end between words, not behind a dash of one.
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
  for (const auto& [what, command] : steps_of(report)) {
    html += fmt::format("<p class=\"command\"><span>{}</span> {}</p>\n", html_text(what),
                        command_html(command));
  }
  if (result.writes_refused && !report.next.release.empty()) {
    html += fmt::format("<p class=\"command\"><span>to lift the fence</span> {}</p>\n",
                        command_html(report.next.release));
  }
  return html.empty() ? html : "<div class=\"next\"><h2>What to do next</h2>\n" + html + "</div>\n";
}

}  // namespace

std::string utc_words(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::time_point_cast<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)));
}

std::string digest_html(const std::string& digest) {
  const std::size_t half = digest.size() / 2;
  return "<code class=\"digest\">" + html_text(digest.substr(0, half)) + "<wbr/>" +
         html_text(digest.substr(half)) + "</code>";
}

std::string verdict_word(const HtmlReport& report) {
  return words_of(report).word;
}

std::string verdict_section(const HtmlReport& report) {
  const Words words = words_of(report);
  const std::string status = status_of(report.result);
  std::string html = fmt::format(
      "<header class=\"verdict {}\">\n<p class=\"kicker\">pgfanout {}</p>\n<h1><span "
      "class=\"sign\" "
      "aria-hidden=\"true\">{}</span>{}</h1>\n",
      html_attribute(status), html_text(report.result.command), mark_of(status),
      html_text(words.word));
  if (!words.sentence.empty()) {
    html += "<p class=\"sentence\">" + html_text(words.sentence) + "</p>\n";
  }
  const std::string meaning = meaning_of(report);
  if (!meaning.empty()) html += "<p class=\"meaning\">" + meaning + "</p>\n";
  return html + facts_html(report) + next_html(report) + "</header>\n";
}

}  // namespace pgfanout
