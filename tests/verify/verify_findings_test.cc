#include "copier/verify/verify_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Table table_named(const std::string& name) {
  Table table;
  table.schema = "public";
  table.name = name;
  table.qualified = "public." + name;
  return table;
}

/// "severity code: message [where]".
std::vector<std::string> issue_texts(const std::vector<Issue>& issues) {
  constexpr const char* kNames[] = {"critical", "error", "warning", "info"};
  std::vector<std::string> found;
  for (const Issue& issue : issues) {
    found.push_back(std::string(kNames[static_cast<std::size_t>(issue.severity)]) + " " +
                    issue.code + ": " + issue.message + " [" + issue.where + "]");
  }
  return found;
}
std::vector<std::string> issue_texts(const std::optional<Issue>& issue) {
  return issue ? issue_texts(std::vector<Issue>{*issue}) : std::vector<std::string>();
}

TEST(VerifyFindings, EachKindOfDifferenceIsCritical) {
  Differences counts;
  EXPECT_THAT(issues_of(counts, 0, table_named("t_new")), IsEmpty());
  counts.missing = 1;
  counts.extra = 2;
  counts.changed = 3;
  counts.misplaced = 4000;
  EXPECT_THAT(
      issue_texts(issues_of(counts, 0, table_named("t_new"))),
      ElementsAre("critical missing: 1 row of the source is not in the target [public.t_new]",
                  "critical extra: 2 rows of the target are not in the source [public.t_new]",
                  "critical changed: 3 rows have the same identity and other content "
                  "[public.t_new]",
                  "critical misplaced: 4,000 rows have a wrong key or are in a wrong leaf "
                  "[public.t_new]"));
}

TEST(VerifyFindings, RowsSetAsideAreAWarningOnly) {
  EXPECT_THAT(issue_texts(issues_of(Differences(), 2, table_named("t_new"))),
              ElementsAre("warning rows-rejected: 2 rows of the source were set aside when copied "
                          "[public.t_new_rejects]"));
}

SetAside set_aside(std::size_t rows, std::uint64_t booked, std::uint64_t undigested = 0) {
  return {std::vector<SetAsideRow>(rows), undigested, booked, 0};
}
std::string code_of(const std::optional<Error>& doubt) {
  EXPECT_TRUE(!doubt || doubt->consequence == Consequence::unproven);
  return doubt ? doubt->code : "";
}

TEST(VerifyFindings, MoreSetAsideThanTheBooksHaveProvesNothing) {
  const Table target = table_named("t_new");
  EXPECT_EQ(code_of(doubt_of(0, 2, set_aside(2, 2), target)), "");
  EXPECT_EQ(code_of(doubt_of(0, 3, set_aside(3, 2), target)), "rejects-changed");
  EXPECT_EQ(code_of(doubt_of(1, 1, set_aside(2, 2), target)), "");
}

TEST(VerifyFindings, MissingRowsMayBeThoseWithoutADigest) {
  const Table target = table_named("t_new");
  EXPECT_EQ(code_of(doubt_of(1, 0, set_aside(0, 1, 1), target)), "rejects-undigested");
  EXPECT_EQ(code_of(doubt_of(0, 0, set_aside(0, 1, 1), target)), "");
}

TEST(VerifyFindings, CountsThatRowsWhichMovedCouldExplain) {
  const Table target = table_named("t_new");
  EXPECT_EQ(code_of(doubt_of({100, 98, 2, true}, set_aside(2, 2), target)), "");
  EXPECT_EQ(code_of(doubt_of({100, 98, 1, true}, set_aside(2, 2), target)), "rejects-moved");
  EXPECT_EQ(code_of(doubt_of({100, 97, 1, true}, set_aside(2, 2), target)), "")
      << "one row more is missing than could have moved";
  EXPECT_EQ(code_of(doubt_of({97, 98, 0, true}, set_aside(2, 2), target)), "");
  EXPECT_EQ(code_of(doubt_of({100, 98, 1, false}, set_aside(2, 2), target)), "");
}

TEST(VerifyFindings, KeysThatAreStoredWronglyAreAnErrorAndOthersAWarning) {
  const Table source = table_named("t");
  EXPECT_THAT(issues_of(KeyFacts{}, source), IsEmpty());
  EXPECT_THAT(issue_texts(issues_of(KeyFacts{1, 2}, source)),
              ElementsAre(HasSubstr("error key-mismatch: 1 row of the source stores a key"),
                          HasSubstr("warning key-impossible: 2 rows of the source have no key")));
  EXPECT_THAT(issue_texts(issues_of(KeyFacts{1, 0, true}, source)),
              ElementsAre(HasSubstr("warning key-mismatch")));
  EXPECT_THAT(issue_texts(skew_issue(1.49, table_named("t_new"))), IsEmpty());
  EXPECT_THAT(
      issue_texts(skew_issue(1.5, table_named("t_new"))),
      ElementsAre("warning skew: the largest leaf holds 1.50 times the mean [public.t_new]"));
}

TEST(VerifyFindings, CountsMustAgreeButForRowsSetAside) {
  const Table target = table_named("t_new");
  struct Case {
    RowCounts counts;
    const char* text;
  };
  for (const Case& each :
       {Case{{7, 7, 0, true}, nullptr}, Case{{7, 5, 2, true}, nullptr},
        Case{{7, 6, 0, true}, "critical rows-differ: the source has 7 rows, the target 6"},
        Case{{6, 7, 0, true}, "critical rows-differ: the source has 6 rows, the target 7"},
        Case{{7, 7, 2, true}, "critical rows-differ: the source has 7 rows, the target 7"},
        Case{{7, 6, 0, false}, "info estimated: a side is too large"},
        Case{{7, 7, 0, false}, "info estimated: a side is too large"}}) {
    const auto found = issue_texts(issue_of(each.counts, target));
    if (each.text == nullptr) {
      EXPECT_THAT(found, IsEmpty());
    } else {
      EXPECT_THAT(found, ElementsAre(HasSubstr(each.text)));
    }
  }
}

TEST(VerifyFindings, OneLostRowOfASampleIsEnough) {
  EXPECT_THAT(issue_texts(std::optional(sample_issue(0, 250, Side::target, table_named("t_new")))),
              ElementsAre("info sample: 250 sampled rows of the target are the same on the other "
                          "side [public.t_new]"));
  EXPECT_THAT(issue_texts(std::optional(sample_issue(1, 250, Side::source, table_named("t")))),
              ElementsAre(HasSubstr("critical sample-differs: 1 of 250 sampled rows of the source "
                                    "are not on the other side")));
}

TEST(VerifyFindings, OnlyACompleteLookAtUnchangedSidesIsAProof) {
  const auto with = [](Severity severity) { return Issue{severity, "code", {}, {}, {}}; };
  const auto verdict = [](const VerifyEnd& end, const std::vector<Issue>& issues) {
    return verdict_of(end, CriteriaBook(VerifyScope::full), Severity::critical, issues);
  };
  const std::vector<Issue> harmless = {with(Severity::warning), with(Severity::info)};
  EXPECT_EQ(verdict({true, true}, {}), Verdict::match);
  EXPECT_EQ(verdict({true, true}, harmless), Verdict::match);
  // An error that belongs to no criterion is one whatever --fail-on says.
  for (const Severity severity : {Severity::critical, Severity::error}) {
    std::vector<Issue> issues = harmless;
    issues.push_back(with(severity));
    EXPECT_EQ(verdict({true, true}, issues), Verdict::differs);
    EXPECT_EQ(verdict({false, true}, issues), Verdict::unproven);
    EXPECT_EQ(verdict({true, false}, issues), Verdict::unproven);
  }
  EXPECT_EQ(verdict({false, true}, {}), Verdict::unproven);
  EXPECT_EQ(verdict({true, false}, {}), Verdict::unproven);
  EXPECT_EQ(verdict({}, {}), Verdict::unproven);
}

TEST(VerifyFindings, AFailedCriterionCountsFromTheSeverityThatIsAskedFor) {
  for (const Severity failed : {Severity::critical, Severity::error, Severity::warning}) {
    for (const Severity from : {Severity::critical, Severity::error, Severity::warning}) {
      const Issue issue{failed, "code", "found", {}, {}};
      CriteriaBook book(VerifyScope::data);
      book.found(Criterion::rules, issue, "mine");
      EXPECT_EQ(verdict_of({true, true}, book, from, {issue}),
                failed <= from ? Verdict::differs : Verdict::match)
          << static_cast<int>(failed) << static_cast<int>(from);
    }
  }
}

}  // namespace
}  // namespace pgfanout
