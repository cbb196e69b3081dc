// Statements as pg_stat_statements has them, as patterns that can run on another table.
#include "copier/queries/statements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

std::string pattern(std::string_view sql, const TableMention& table = {"public", "chunks", true}) {
  return pattern_of(sql, table).value_or("(none)");
}

TEST(StatementPatterns, NameTheTableWhereItIsARelation) {
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT * FROM chunks", "SELECT * FROM {table} AS \"chunks\""},
      {"SELECT * FROM public.chunks", "SELECT * FROM {table} AS \"chunks\""},
      {"select c.id from Chunks c where c.id = $1", "select c.id from {table} c where c.id = $1"},
      {"SELECT * FROM \"chunks\" AS c", "SELECT * FROM {table} AS c"},
      {"SELECT chunks.id FROM public.chunks WHERE public.chunks.id = $1",
       "SELECT chunks.id FROM {table} AS \"chunks\" WHERE chunks.id = $1"},
      {"SELECT * FROM ONLY chunks * WHERE id > $1",
       "SELECT * FROM ONLY {table} * AS \"chunks\" WHERE id > $1"},
      {"SELECT * FROM docs d, chunks LIMIT $1",
       "SELECT * FROM docs d, {table} AS \"chunks\" LIMIT $1"},
      {"SELECT * FROM docs JOIN chunks ON chunks.doc = docs.id",
       "SELECT * FROM docs JOIN {table} AS \"chunks\" ON chunks.doc = docs.id"},
      {"SELECT * FROM (chunks JOIN docs USING (doc))",
       "SELECT * FROM ({table} AS \"chunks\" JOIN docs USING (doc))"},
      {"SELECT (SELECT count(*) FROM chunks), chunks FROM docs AS chunks",
       "SELECT (SELECT count(*) FROM {table} AS \"chunks\"), chunks FROM docs AS chunks"},
      {"SELECT chunks, 'FROM chunks' /* FROM chunks */ FROM chunks -- chunks",
       "SELECT chunks, 'FROM chunks' /* FROM chunks */ FROM {table} AS \"chunks\" -- chunks"},
      {"SELECT extract(epoch FROM chunks.at) FROM chunks",
       "SELECT extract(epoch FROM chunks.at) FROM {table} AS \"chunks\""},
      {"SELECT a IS DISTINCT FROM chunks FROM docs, chunks",
       "SELECT a IS DISTINCT FROM chunks FROM docs, {table} AS \"chunks\""},
      {"INSERT INTO chunks (id, doc) VALUES ($1, $2) ON CONFLICT DO UPDATE SET doc = $2",
       "INSERT INTO {table} AS \"chunks\" (id, doc) VALUES ($1, $2) ON CONFLICT DO UPDATE SET doc "
       "= "
       "$2"},
      {"UPDATE chunks SET a = $1 WHERE id = $2",
       "UPDATE {table} AS \"chunks\" SET a = $1 WHERE id = $2"},
      {"DELETE FROM chunks USING docs WHERE doc = docs.id",
       "DELETE FROM {table} AS \"chunks\" USING docs WHERE doc = docs.id"},
      {"SELECT * FROM chunks FOR UPDATE", "SELECT * FROM {table} AS \"chunks\" FOR UPDATE"},
      {"WITH x AS (SELECT * FROM chunks) SELECT * FROM x",
       "WITH x AS (SELECT * FROM {table} AS \"chunks\") SELECT * FROM x"},
      {"(SELECT id FROM chunks) UNION (SELECT id FROM docs)",
       "(SELECT id FROM {table} AS \"chunks\") UNION (SELECT id FROM docs)"},
  };
  for (const auto& [sql, wanted] : cases) EXPECT_EQ(pattern(sql), wanted) << sql;
}

TEST(StatementPatterns, AreNotMadeOfOtherStatements) {
  for (const char* sql :
       {"",
        "SELECT 1",
        "SELECT chunks FROM docs",
        "SELECT docs.chunks FROM docs",
        "SELECT * FROM other.chunks",
        "SELECT * FROM chunks()",
        "SELECT * FROM \"Chunks\"",
        "COPY chunks TO STDOUT",
        "VACUUM chunks",
        "EXPLAIN SELECT * FROM chunks",
        "SELECT '{table}' FROM chunks",
        "WITH chunks AS (SELECT 1) SELECT * FROM chunks",
        "WITH a AS (SELECT 1), chunks (x) AS MATERIALIZED (SELECT 1) SELECT * FROM chunks",
        "SELECT ctid FROM chunks",
        "SELECT pg_catalog.count(*) FROM chunks",
        "SELECT * FROM chunks TABLESAMPLE SYSTEM ($1)",
        "SELECT * FROM",
        "SELECT * FROM public.",
        "SELECT * FROM chunks.x",
        "((((",
        "SELECT ) FROM"}) {
    EXPECT_EQ(pattern(sql), "(none)") << sql;
  }
  EXPECT_EQ(pattern("SELECT * FROM chunks", {"public", "chunks", false}), "(none)")
      << "the name alone finds another table";
  EXPECT_EQ(pattern("SELECT * FROM public.chunks", {"public", "chunks", false}),
            "SELECT * FROM {table} AS \"chunks\"");
}

TEST(StatementPatterns, QuoteNamesThatNeedIt) {
  const TableMention odd{"My \"s\"", "Tab.le", true};
  EXPECT_EQ(pattern("SELECT \"Tab.le\".a FROM \"My \"\"s\"\"\".\"Tab.le\"", odd),
            "SELECT \"Tab.le\".a FROM {table} AS \"Tab.le\"");
  EXPECT_EQ(pattern("SELECT a FROM Tab.le", odd), "(none)");
}

TEST(StatementParameters, StandWhereLiteralsStood) {
  EXPECT_EQ(with_cast_parameters("SELECT now() - interval $1, a.date FROM t"),
            "SELECT now() - CAST($1 AS interval), a.date FROM t");
  EXPECT_EQ(with_cast_parameters("SELECT date = $1, timestamp"), "SELECT date = $1, timestamp");
  EXPECT_EQ(with_cast_parameters("SELECT timestamptz $12"), "SELECT CAST($12 AS timestamptz)");
  const LimitParameters both =
      limit_parameters_of("SELECT a FROM t WHERE b = $1 LIMIT $2 OFFSET $3");
  EXPECT_EQ(both.limit, 2U);
  EXPECT_EQ(both.offset, 3U);
  EXPECT_FALSE(limit_parameters_of("SELECT 'LIMIT $1', \"limit\" $ FROM t LIMIT 5").limit);
}

TEST(StatementParameters, BelongToTheColumnTheyAreComparedWith) {
  QueryPlan plan;
  plan.scans.push_back({"Index Scan", "public.chunks_p00", "i",
                        conditions_of("((c.collection_id = $1) AND (c.n = ANY ($2)) AND "
                                      "((c.title)::text ~~ ($3)::text) AND (c.a = ($4 + 1)) AND "
                                      "(lower(c.b) = $5) AND (c.id = ANY (ARRAY[$7, $8, ($9 + "
                                      "1)])) AND ((c.doc)::text = ANY ((ARRAY[$10, ($11)::text])"
                                      "::text[])))")});
  const auto first = column_of_parameter(plan, 1);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->relation, "public.chunks_p00");
  EXPECT_EQ(first->column, "collection_id");
  ASSERT_TRUE(column_of_parameter(plan, 2));
  EXPECT_TRUE(column_of_parameter(plan, 2)->is_array);
  ASSERT_TRUE(column_of_parameter(plan, 3));
  EXPECT_EQ(column_of_parameter(plan, 3)->op, "~~");
  EXPECT_FALSE(column_of_parameter(plan, 4)) << "computed with";
  EXPECT_FALSE(column_of_parameter(plan, 5)) << "no column alone";
  EXPECT_FALSE(column_of_parameter(plan, 6));
  for (const std::size_t number : {7U, 8U}) {
    ASSERT_TRUE(column_of_parameter(plan, number)) << number;
    EXPECT_EQ(column_of_parameter(plan, number)->column, "id");
    EXPECT_FALSE(column_of_parameter(plan, number)->is_array);
  }
  EXPECT_FALSE(column_of_parameter(plan, 9));
  for (const std::size_t number : {10U, 11U}) {
    ASSERT_TRUE(column_of_parameter(plan, number)) << number;
    EXPECT_EQ(column_of_parameter(plan, number)->column, "doc");
  }
}

}  // namespace
}  // namespace pgfanout
