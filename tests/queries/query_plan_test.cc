// Documents as EXPLAIN (FORMAT JSON) of PostgreSQL 15 prints them.
#include "copier/queries/query_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using Names = std::set<std::string>;
using ::testing::ElementsAre;
using ::testing::FieldsAre;

TEST(ExplainedPlan, NamesEveryRelationOfThePlanTree) {
  const auto plan = parse_plan(R"([{"Plan": {"Node Type": "Append", "Plans": [
    {"Node Type": "Seq Scan", "Relation Name": "a", "Schema": "public"},
    {"Node Type": "Hash Join", "Plans": [
      {"Node Type": "Index Scan", "Relation Name": "b", "Schema": "public", "Index Name": "b_i"},
      {"Node Type": "Hash", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "a",
        "Schema": "other"}]}]}]}}])");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->relations, (Names{"public.a", "public.b", "other.a"}));
  EXPECT_EQ(plan->indexes, Names{"b_i"});
  EXPECT_EQ(plan->shape, "Append > (Seq Scan, Hash Join > (Index Scan, Hash > Seq Scan))");
}

TEST(ExplainedPlan, LeavesOutWhatWasPrunedWhileExecuting) {
  const auto plan = parse_plan(R"([{"Plan": {"Node Type": "Append", "Actual Loops": 1,
    "Plans": [{"Node Type": "Index Scan", "Relation Name": "p0", "Index Name": "i0",
    "Actual Loops": 0}, {"Node Type": "Index Scan", "Relation Name": "p1", "Index Name": "i1",
    "Actual Loops": 3}]}}])");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->relations, Names{"p1"});
  EXPECT_EQ(plan->indexes, Names{"i1"});
  EXPECT_EQ(plan->shape, "Append > Index Scan");
}

TEST(ExplainedPlan, CountsLeavesThatAreReadInTheSameWay) {
  const auto plan = parse_plan(R"json([{"Plan": {"Node Type": "Limit", "Total Cost": 12.5,
    "Plan Rows": 10, "Plans": [{"Node Type": "Append", "Plans": [
    {"Node Type": "Bitmap Heap Scan", "Relation Name": "p0", "Schema": "s",
     "Recheck Cond": "(p0.a = 1)", "Plans": [{"Node Type": "Bitmap Index Scan",
     "Index Name": "p0_a", "Index Cond": "(p0.a = 1)"}]},
    {"Node Type": "Bitmap Heap Scan", "Relation Name": "p1", "Schema": "s", "Plans": [
     {"Node Type": "Bitmap Index Scan", "Index Name": "p1_a"}]}]}]}}])json");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->shape, "Limit > Append > 2 x Bitmap Heap Scan > Bitmap Index Scan");
  EXPECT_EQ(plan->relations, (Names{"s.p0", "s.p1"}));
  EXPECT_EQ(plan->cost, 12.5);
  EXPECT_EQ(plan->rows, 10);
  ASSERT_EQ(plan->scans.size(), 4U);
  EXPECT_EQ(plan->scans[1].relation, "s.p0");
  EXPECT_EQ(plan->scans[1].index, "p0_a");
  EXPECT_THAT(plan->scans[1].conditions, ElementsAre(FieldsAre("p0.a", "a", "=", "1")));
}

TEST(ExplainedPlan, ToldFromOneThatOnlyReads) {
  for (const char* node : {"ModifyTable", "LockRows"}) {
    const auto plan = parse_plan(std::string(R"([{"Plan": {"Node Type": ")") + node +
                                 R"(", "Plans": [{"Node Type": "Result"}]}}])");
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->changes_data) << node;
  }
  EXPECT_FALSE(parse_plan(R"([{"Plan": {"Node Type": "Result"}}])")->changes_data);
}

TEST(ExplainedPlan, RefusesWhatIsNoPlan) {
  for (const char* text : {"", "[]", "{}", "[1]", "[{\"Plan\"", "null", "[{\"Planning\": 1}]"}) {
    const auto plan = parse_plan(text);
    ASSERT_FALSE(plan) << text;
    EXPECT_EQ(plan.error().code, "explain");
  }
}

TEST(PlanConditions, NameColumnOperatorAndValue) {
  struct Case {
    const char* text;
    std::vector<PlanCondition> conditions;
  };
  const Case cases[] = {
      {"(c.id = 5)", {{"c.id", "id", "=", "5"}}},
      {"(5 < c.id)", {{"c.id", "id", "<", "5"}}},
      {"((c_1.collection_id = $1) AND ((c_1.title)::text ~~ 'a AND b'::text))",
       {{"c_1.collection_id", "collection_id", "=", "$1"},
        {"(c_1.title)::text", "title", "~~", "'a AND b'::text"}}},
      {"(c.\"Odd \"\"Name\" = ANY ('{1,2}'::integer[]))",
       {{"c.\"Odd \"\"Name\"", "Odd \"Name", "=", "ANY ('{1,2}'::integer[])"}}},
      {"(lower(c.title) = $2)", {{"lower(c.title)", "", "=", "$2"}}},
      {"(c.embedding OPERATOR(ext.<->) '[1]'::ext.vector)",
       {{"c.embedding", "embedding", "<->", "'[1]'::ext.vector"}}},
      {"(c.deleted_at IS NULL)", {{"c.deleted_at", "deleted_at", "IS NULL", ""}}},
      {"((c.a = 1) OR (c.b = 2))", {{"(c.a = 1) OR (c.b = 2)", "", "", ""}}},
      {"c.active", {{"c.active", "active", "", ""}}},
      {"((c.meta ->> 'k'::text) = 'v'::text)", {{"c.meta ->> 'k'::text", "", "=", "'v'::text"}}},
      {"", {}},
      {"((", {}},
  };
  for (const Case& each : cases) {
    const auto found = conditions_of(each.text);
    if (std::string_view(each.text) == "((") continue;  // No crash.
    ASSERT_EQ(found.size(), each.conditions.size()) << each.text;
    for (std::size_t at = 0; at < found.size(); ++at) {
      EXPECT_EQ(found[at].expression, each.conditions[at].expression) << each.text;
      EXPECT_EQ(found[at].column, each.conditions[at].column) << each.text;
      EXPECT_EQ(found[at].op, each.conditions[at].op) << each.text;
      EXPECT_EQ(found[at].value, each.conditions[at].value) << each.text;
    }
  }
}

}  // namespace
}  // namespace pgfanout
