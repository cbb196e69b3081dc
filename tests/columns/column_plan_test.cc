#include "copier/columns/column_plan.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

Column column(std::uint32_t oid, std::string type_sql, std::int32_t modifier = -1) {
  Column made;
  made.type_oid = oid;
  made.type_sql = std::move(type_sql);
  made.type_modifier = modifier;
  return made;
}

const Column kText = column(25, "text");
const Column kUuid = column(2950, "uuid");
const Column kVarchar = column(1043, "character varying");
const Column kVarchar10 = column(1043, "character varying(10)", 14);
const Column kVarchar20 = column(1043, "character varying(20)", 24);
const Column kChar5 = column(1042, "character(5)", 9);
const Column kBpchar = column(1042, "bpchar");

TEST(CastSqlTest, SameTypeNeedsNone) {
  EXPECT_EQ(cast_sql("c", kUuid, kUuid), "c");
  EXPECT_EQ(cast_sql("c", kVarchar10, kVarchar10), "c");
}

TEST(CastSqlTest, OtherTypesByName) {
  EXPECT_EQ(cast_sql("c", kUuid, kText), "c::text");
  EXPECT_EQ(cast_sql("(a + b)", kText, column(1700, "numeric(10,2)", 655366)),
            "(a + b)::numeric(10,2)");
}

TEST(CastSqlTest, LengthsAreEnforcedNotCut) {
  EXPECT_EQ(cast_sql("c", kText, kVarchar10),
            "pg_catalog.\"varchar\"(c::pg_catalog.\"varchar\", 14, false)");
  EXPECT_EQ(cast_sql("c", kText, kChar5),
            "pg_catalog.\"bpchar\"(c::pg_catalog.\"bpchar\", 9, false)");
  // "character" alone would be one character.
  EXPECT_EQ(cast_sql("c", kText, kBpchar), "c::pg_catalog.bpchar");
}

TEST(KeepsBytesTest, TextAndVarcharOfEnoughRoom) {
  EXPECT_TRUE(keeps_bytes(kUuid, kUuid));
  EXPECT_TRUE(keeps_bytes(kVarchar10, kText));
  EXPECT_TRUE(keeps_bytes(kText, kVarchar));
  EXPECT_TRUE(keeps_bytes(kVarchar10, kVarchar20));
  EXPECT_FALSE(keeps_bytes(kVarchar20, kVarchar10));
  EXPECT_FALSE(keeps_bytes(kText, kVarchar10));
  EXPECT_FALSE(keeps_bytes(kUuid, kText));
  EXPECT_FALSE(keeps_bytes(kChar5, kText));
}

}  // namespace
}  // namespace pgfanout
