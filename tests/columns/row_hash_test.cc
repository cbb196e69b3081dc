// The SQL of a row's hash: how each type enters it.
#include "copier/columns/row_hash.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(RowHashSqlTest, ATypeStandsAsItselfWhereItsHashIsThatOfItsBytes) {
  const HashedType int8{20, 'b', "pg_catalog.int8send"};
  const HashedType text{25, 'b', "pg_catalog.textsend"};
  const HashedType uuid{2950, 'b', "pg_catalog.uuid_send"};
  const HashedType jsonb{3802, 'b', "pg_catalog.jsonb_send"};
  const HashedType mood{70001, 'e', "pg_catalog.enum_send"};
  const HashedType own{70002, 'b', "\"Own\".\"send it\""};
  EXPECT_EQ(hashed_column("n", int8).sql, "pg_catalog.int8send(n)");
  EXPECT_EQ(hashed_column("n", int8).form, HashForm::bytes);
  EXPECT_EQ(hashed_column("t", text).sql, "(t)::pg_catalog.text COLLATE pg_catalog.\"C\"");
  EXPECT_EQ(hashed_column("a || b", text).sql,
            "(a || b)::pg_catalog.text COLLATE pg_catalog.\"C\"");
  EXPECT_EQ(hashed_column("u", uuid).sql, "(u)");
  EXPECT_EQ(hashed_column("j", jsonb).sql, "(j)::pg_catalog.text COLLATE pg_catalog.\"C\"");
  EXPECT_EQ(hashed_column("j", jsonb).form, HashForm::versioned);
  EXPECT_EQ(hashed_column("m", mood).sql, "(m)::pg_catalog.text COLLATE pg_catalog.\"C\"");
  EXPECT_EQ(hashed_column("x", own).sql, "\"Own\".\"send it\"(x)");
  for (const std::uint32_t narrow : {16U, 21U, 23U, 26U, 1082U}) {
    EXPECT_EQ(hashed_column("i", {narrow, 'b', "pg_catalog.other"}).form, HashForm::integer);
  }
}

TEST(RowHashSqlTest, ColumnsStandInTheirOrder) {
  EXPECT_EQ(row_hash_sql({{"(a)", HashForm::bytes}, {"pg_catalog.int8send(b)", HashForm::bytes}}),
            "pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended("
            "ROW((a), pg_catalog.int8send(b)), 0))");
  EXPECT_EQ(row_hash_sql({}),
            "pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended(ROW(), 0))");
}

}  // namespace
}  // namespace pgfanout
