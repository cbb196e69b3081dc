// Figures of the application's queries, documents as EXPLAIN (FORMAT JSON) of PostgreSQL 15 prints
// them, and how a statement that was tried after the swap is judged.
#include "copier/window/application_checks.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(QueryChecks, PercentileIsTheNearestRank) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(percentile(values, 0.50), 5);
  EXPECT_EQ(percentile(values, 0.95), 10);
  EXPECT_EQ(percentile(values, 0.90), 9);
  EXPECT_EQ(percentile({7}, 0.99), 7);
  EXPECT_EQ(percentile({}, 0.5), 0);
}

using Names = std::set<std::string>;

TEST(ExplainedPlan, NamesEveryRelationOfThePlanTree) {
  const auto relations = relations_in_plan(R"([{"Plan": {"Node Type": "Append", "Plans": [
    {"Node Type": "Seq Scan", "Relation Name": "a", "Schema": "public"},
    {"Node Type": "Hash Join", "Plans": [
      {"Node Type": "Index Scan", "Relation Name": "b", "Schema": "public"},
      {"Node Type": "Hash", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "a",
        "Schema": "other"}]}]}]}}])");
  ASSERT_TRUE(relations);
  EXPECT_EQ(*relations, (Names{"public.a", "public.b", "other.a"}));
}

TEST(ExplainedPlan, LeavesOutWhatWasPrunedWhileExecuting) {
  const auto relations = relations_in_plan(R"([{"Plan": {"Node Type": "Append", "Actual Loops": 1,
    "Plans": [{"Relation Name": "p0", "Actual Loops": 0}, {"Relation Name": "p1",
    "Actual Loops": 3}]}}])");
  ASSERT_TRUE(relations);
  EXPECT_EQ(*relations, Names{"p1"});
}

TEST(ExplainedPlan, RefusesWhatIsNoPlan) {
  for (const char* text : {"", "[]", "{}", "[1]", "[{\"Plan\"", "null", "[{\"Planning\": 1}]"}) {
    const auto relations = relations_in_plan(text);
    ASSERT_FALSE(relations) << text;
    EXPECT_EQ(relations.error().code, "explain");
  }
}

TEST(AfterSwapCheck, AStatementThatMustTouchOneRow) {
  struct Case {
    const char* sqlstate;
    std::int64_t rows;
    bool may_be_turned;
    bool may_be_referred_to;
    Trial trial;
  };
  const Case cases[] = {
      {"", 1, false, false, Trial::right},        {"", 1, true, true, Trial::right},
      {"", 0, false, false, Trial::wrong},        {"", 0, true, false, Trial::unknown},
      {"", 2, false, false, Trial::wrong},        {"", 2, true, false, Trial::wrong},
      {"23505", 0, true, true, Trial::wrong},     {"23503", 0, false, false, Trial::wrong},
      {"23503", 0, false, true, Trial::referred}, {"23001", 0, false, true, Trial::referred},
      {"42501", 0, false, true, Trial::wrong},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(judge_one_row(each.sqlstate, each.rows, each.may_be_turned, each.may_be_referred_to),
              each.trial)
        << each.sqlstate << " " << each.rows << " " << each.may_be_turned << " "
        << each.may_be_referred_to;
  }
}

TEST(AfterSwapCheck, AStatementThatMustBeRefused) {
  EXPECT_EQ(judge_refusal("", "23514"), Trial::wrong);
  EXPECT_EQ(judge_refusal("23514", "23514"), Trial::right);
  EXPECT_EQ(judge_refusal("42501", "23514"), Trial::unknown);
}

TEST(AfterSwapCheck, WhatWasRefusedBeforeIsNotTheSwapsFault) {
  EXPECT_EQ(judge_one_row("42P10", 0, false, false, "42P10"), Trial::unknown);
  EXPECT_EQ(judge_one_row("42P10", 0, false, false, "55000"), Trial::wrong);
  EXPECT_EQ(judge_one_row("", 1, false, false, "55000"), Trial::right);
}

TEST(AfterSwapCheck, AnInsertAsARoleIsWrongIfItLostARight) {
  EXPECT_EQ(judge_as_role("", "", ""), Trial::right);
  EXPECT_EQ(judge_as_role("42501", "42501", ""), Trial::wrong);
  EXPECT_EQ(judge_as_role("42501", "42501", "42501"), Trial::unknown) << "it had none before";
  EXPECT_EQ(judge_as_role("42501", "", ""), Trial::unknown) << "a policy or a trigger refused it";
  EXPECT_EQ(judge_as_role("23505", "", ""), Trial::unknown);
}

}  // namespace
}  // namespace pgfanout
