#include "copier/verify/verify_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "copier/base/counted.h"
#include "copier/catalog/relation_name.h"
#include "copier/journal/reject_table.h"

namespace pgfanout {
namespace {

constexpr double kSkewWarning = 1.5;

std::string rejects_of(const Table& target) {
  return target.schema + "." + reject_table_name(target.name);
}

}  // namespace

std::vector<Issue> issues_of(const Differences& counts, std::uint64_t set_aside,
                             const Table& target) {
  std::vector<Issue> issues;
  const auto tell = [&](std::uint64_t count, const char* code, const char* one, const char* many) {
    if (count == 0) return;
    issues.push_back({Severity::critical, code, counted(count, one, many), target.qualified});
  };
  tell(counts.missing, "missing", "row of the source is not in the target",
       "rows of the source are not in the target");
  tell(counts.extra, "extra", "row of the target is not in the source",
       "rows of the target are not in the source");
  tell(counts.changed, "changed", "row has the same identity and other content",
       "rows have the same identity and other content");
  tell(counts.misplaced, "misplaced", "row has a wrong key or is in a wrong leaf",
       "rows have a wrong key or are in a wrong leaf");
  if (set_aside > 0) {
    issues.push_back({Severity::warning, "rows-rejected",
                      counted(set_aside, "row of the source was", "rows of the source were") +
                          " set aside when copied",
                      rejects_of(target), "the table says the reason for each"});
  }
  return issues;
}

std::optional<Error> doubt_of(std::uint64_t missing, std::uint64_t set_aside,
                              const SetAside& rejects, const Table& target) {
  if (set_aside > rejects.booked) {
    return unproven(
        "rejects-changed",
        fmt::format("{} in the reject table that the target lacks, but the job's books "
                    "have {} as set aside: somebody has changed that table",
                    counted(set_aside, "row is", "rows are"), with_commas(rejects.booked)),
        "copy again with --restart", rejects_of(target));
  }
  if (missing == 0 || rejects.undigested == 0) return std::nullopt;
  return unproven(
      "rejects-undigested",
      fmt::format("{} in the reject table without a digest, since an earlier version of pgfanout "
                  "set them aside or they could not be read: they may be among the missing ones",
                  counted(rejects.undigested, "row is", "rows are")),
      "compare their identity with the missing rows that --data names, or copy again with"
      " --restart",
      rejects_of(target));
}

std::optional<Error> doubt_of(const RowCounts& counts, const SetAside& rejects,
                              const Table& target) {
  const std::uint64_t expected = counts.target + counts.set_aside;
  const std::uint64_t missing = counts.source - std::min(counts.source, expected);
  const std::uint64_t moved = rejects.rows.size() - counts.set_aside;
  if (auto doubt = doubt_of(missing, counts.set_aside, rejects, target)) return doubt;
  if (!counts.is_exact || missing == 0 || missing > moved) return std::nullopt;
  return unproven(
      "rejects-moved",
      fmt::format("{} more than the target, and {} since they were set aside: the counts"
                  " do not tell whether they are the same",
                  counted(missing, "row is in the source", "rows are in the source"),
                  counted(moved, "row was moved or changed", "rows were moved or changed")),
      "--data compares all rows", rejects_of(target));
}

std::vector<Issue> issues_of(const KeyFacts& facts, const Table& source) {
  std::vector<Issue> issues;
  if (facts.stored_key_errors > 0) {
    issues.push_back(
        {facts.stored_keys_may_differ ? Severity::warning : Severity::error, "key-mismatch",
         counted(facts.stored_key_errors, "row of the source stores", "rows of the source store") +
             " a key that differs from the recomputed one",
         source.qualified});
  }
  if (facts.impossible_keys > 0) {
    issues.push_back(
        {Severity::warning, "key-impossible",
         counted(facts.impossible_keys, "row of the source has", "rows of the source have") +
             " no key that a leaf takes",
         source.qualified});
  }
  return issues;
}

std::optional<Issue> skew_issue(double skew, const Table& target) {
  if (skew < kSkewWarning) return std::nullopt;
  return Issue{Severity::warning, "skew",
               fmt::format("the largest leaf holds {:.2f} times the mean", skew), target.qualified,
               "a key over more columns spreads better"};
}

std::string counts_text(std::uint64_t source, std::uint64_t target, std::uint64_t set_aside) {
  if (source == target) return with_commas(source) + " on each side";
  return fmt::format("{} in the source, {} in the target, {} set aside", with_commas(source),
                     with_commas(target), with_commas(set_aside));
}

std::optional<Issue> issue_of(const RowCounts& counts, const Table& target) {
  if (!counts.is_exact) {
    return Issue{
        Severity::info, "estimated",
        "a side is too large to be counted in seconds: rows are estimates from its statistics",
        target.qualified, "ANALYZE makes them better; --data counts"};
  }
  if (counts.source == counts.target + counts.set_aside) return std::nullopt;
  return Issue{Severity::critical, "rows-differ",
               fmt::format("the source has {}, the target {}", rows_text(counts.source),
                           with_commas(counts.target)),
               target.qualified, "--data names the rows"};
}

Issue sample_issue(std::size_t lost, std::size_t sampled, Side from, const Table& table) {
  const std::string_view side = from == Side::source ? "source" : "target";
  if (lost > 0) {
    return {Severity::critical, "sample-differs",
            fmt::format("{} of {} sampled rows of the {} are not on the other side as they are "
                        "here",
                        lost, sampled, side),
            table.qualified, "--data names them all"};
  }
  return {Severity::info, "sample",
          fmt::format("{} sampled rows of the {} are the same on the other side", sampled, side),
          table.qualified};
}

Verdict verdict_of(const VerifyEnd& end, const CriteriaBook& criteria, Severity fail_on,
                   const std::vector<Issue>& issues) {
  if (!end.is_complete || !end.is_unchanged) return Verdict::unproven;
  const bool has_others = std::ranges::any_of(issues, [&](const Issue& issue) {
    return issue.severity <= Severity::error && !criteria.has(issue);
  });
  return has_others || criteria.fails(fail_on) ? Verdict::differs : Verdict::match;
}

}  // namespace pgfanout
