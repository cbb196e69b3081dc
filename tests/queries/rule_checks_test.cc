#include "copier/queries/rule_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;

Table rules_table() {
  Table table;
  table.qualified = "public.\"T\"";
  table.primary_key = {"id", "K'\""};
  for (const auto& [name, quoted] : {std::pair("id", "id"), std::pair("K'\"", "\"K'\"\"\"")}) {
    Column column;
    column.name = name;
    column.quoted = quoted;
    table.columns.push_back(column);
  }
  return table;
}

TEST(RuleChecks, AQueryReturnsItsViolations) {
  EXPECT_EQ(rule_sql({"r", "SELECT id FROM {table} -- {table}\n ; ", "", Severity::error},
                     rules_table(), 3),
            "SELECT pg_catalog.left(pg_catalog.row_to_json(q)::pg_catalog.text, 200) FROM (\n"
            "SELECT id FROM public.\"T\" -- public.\"T\"\n) AS q LIMIT 3");
}

TEST(RuleChecks, AConditionIsBrokenByFalseAndByNull) {
  EXPECT_EQ(rule_sql({"r", "", "n > 0 -- why", Severity::error}, rules_table(), 3),
            "SELECT pg_catalog.left(pg_catalog.concat($pgfanout$id=$pgfanout$, t.id, ' ', "
            "$pgfanout$\"K'\"\"\"=$pgfanout$, t.\"K'\"\"\", ' ', "
            "t.tableoid::pg_catalog.regclass, ' ', t.ctid), 200) FROM public.\"T\" AS t "
            "WHERE CASE WHEN\nn > 0 -- why\nTHEN false ELSE true END LIMIT 3");
}

TEST(RuleChecks, SeverityIsTheRulesAndAComplaintIsAnError) {
  const RuleCheck rule{"mine", "", "true", Severity::warning};
  const Table table = rules_table();
  EXPECT_FALSE(issue_of(rule, RuleOutcome{}, table));
  const auto violated = issue_of(rule, RuleOutcome{{"id=1", "id=2"}, false, {}}, table);
  ASSERT_TRUE(violated);
  EXPECT_EQ(violated->severity, Severity::warning);
  EXPECT_EQ(violated->message, "rule 'mine' is violated by 2 rows: id=1; id=2");
  EXPECT_THAT(issue_of(rule, RuleOutcome{{"id=1"}, true, {}}, table)->message,
              HasSubstr("by more than 1 row: id=1"));
  Error complaint = refused("sql", "no such column");
  complaint.sqlstate = "42703";
  const auto unknown = issue_of(rule, RuleOutcome{{}, false, complaint}, table);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->severity, Severity::error);
  EXPECT_EQ(unknown->code, "rule-not-checked");
}

}  // namespace
}  // namespace pgfanout
