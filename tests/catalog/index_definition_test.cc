#include "copier/catalog/index_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

IndexDefinition parsed(std::string_view sql) {
  const auto index = parse_index_definition(sql);
  EXPECT_TRUE(index) << sql << ": " << (index ? "" : index.error().message);
  return index.value_or(IndexDefinition());
}

std::string refusal(std::string_view sql) {
  const auto index = parse_index_definition(sql);
  EXPECT_FALSE(index) << sql;
  return index ? "" : index.error().message;
}

TEST(IndexDefinitionTest, IsCutAtItsTableAndItsCondition) {
  const IndexDefinition index = parsed(
      "create unique\n INDEX /* a */ \"Odd \"\"name\" on {table} USING btree (a DESC, \"B c\" "
      "text_ops, "
      "lower(d), s.f(e)) INCLUDE (g) WITH (fillfactor = 70) WHERE (h = 'WHERE') AND (i IS NULL) "
      "; ");
  EXPECT_TRUE(index.is_unique);
  EXPECT_EQ(index.name, "Odd \"name");
  EXPECT_THAT(index.columns, ElementsAre("a", "B c"));
  EXPECT_TRUE(index.has_expressions);
  EXPECT_EQ(index.where, " WHERE (h = 'WHERE') AND (i IS NULL)");
  EXPECT_EQ(index.on("public.t", "n"),
            "CREATE UNIQUE INDEX n ON public.t USING btree (a DESC, \"B c\" text_ops, lower(d), "
            "s.f(e)) INCLUDE (g) WITH (fillfactor = 70) WHERE (h = 'WHERE') AND (i IS NULL)");
}

TEST(IndexDefinitionTest, TheShortestOne) {
  const IndexDefinition index = parsed("CREATE INDEX Name ON {table}(a)");
  EXPECT_FALSE(index.is_unique || index.has_expressions);
  EXPECT_EQ(index.name, "name");
  EXPECT_THAT(index.columns, ElementsAre("a"));
  EXPECT_EQ(index.where, "");
  EXPECT_EQ(index.on("t", "x"), "CREATE INDEX x ON t (a)");
  EXPECT_THAT(parsed("CREATE INDEX i ON {table} ((a || b))").columns, IsEmpty());
}

TEST(IndexDefinitionTest, OtherStatementsAreRefused) {
  EXPECT_THAT(refusal("DROP TABLE t"), HasSubstr("begins with CREATE"));
  EXPECT_THAT(refusal("CREATE TABLE t (a int)"), HasSubstr("not that of an index"));
  EXPECT_THAT(refusal("CREATE INDEX CONCURRENTLY i ON {table} (a)"), HasSubstr("CONCURRENTLY"));
  EXPECT_THAT(refusal("CREATE INDEX IF NOT EXISTS i ON {table} (a)"), HasSubstr("needs a name"));
  EXPECT_THAT(refusal("CREATE INDEX ON {table} (a)"), HasSubstr("needs a name"));
  EXPECT_THAT(refusal("CREATE INDEX i ON t (a)"), HasSubstr("must be ON {table}"));
  EXPECT_THAT(refusal("CREATE INDEX i ON ONLY {table} (a)"), HasSubstr("must be ON {table}"));
  EXPECT_THAT(refusal("CREATE INDEX i ON {table}"), HasSubstr("a list of columns"));
  EXPECT_THAT(refusal("CREATE INDEX i ON {table} (a"), HasSubstr("a list of columns"));
  EXPECT_THAT(refusal("CREATE INDEX i ON {table} (a); DROP TABLE t"),
              HasSubstr("more than one statement"));
  EXPECT_THAT(refusal("CREATE INDEX " + std::string(64, 'x') + " ON {table} (a)"),
              HasSubstr("more than 63 bytes"));
}

}  // namespace
}  // namespace pgfanout
