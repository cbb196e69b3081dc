// Documents as EXPLAIN (FORMAT JSON) of PostgreSQL 15 prints them, shortened.
#include "copier/window/explained_plan.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

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

}  // namespace
}  // namespace pgfanout
