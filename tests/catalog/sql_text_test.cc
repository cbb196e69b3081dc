#include "copier/catalog/sql_text.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(SqlTextTest, PiecesJoinedAreTheText) {
  for (const char* sql : {"", "a", "SELECT \"a\"\"b\".c::text, E'it\\'s', $x$ ' $x$, 1e5 -- end",
                          "'open", "\"open", "$open$ x", "a$b $1 U&'x' /* c */ (b'01')"}) {
    std::string joined;
    for (const SqlPiece& piece : sql_pieces(sql)) joined += piece.text;
    EXPECT_EQ(joined, sql);
  }
}

TEST(SqlTextTest, TheTableIsReplacedButNotInLiterals) {
  EXPECT_EQ(with_relation("SELECT chunks.a FROM public.chunks WHERE b <> 'public.chunks <table>'",
                          "public", "chunks", "x.y"),
            "SELECT x.y.a FROM x.y WHERE b <> 'public.chunks <table>'");
  EXPECT_EQ(with_relation("\"<table>\" < table1 AND a <table", "s", "t", "x"),
            "\"<table>\" < table1 AND a <table");
}

TEST(SqlTextTest, ColumnsAreRenamedWhereTheyAreColumns) {
  const std::map<std::string, std::string> renames = {
      {"id", "new id"}, {"text", "t"}, {"new", "n"}};
  EXPECT_EQ(with_columns("((id > 0) AND (id(1) = 2) AND ('id'::text <> text) AND (\"id\" = x.id))",
                         renames),
            "((\"new id\" > 0) AND (id(1) = 2) AND ('id'::text <> \"t\") AND (\"new id\" = x.id))");
  EXPECT_EQ(with_columns("old.id <> new.id OR <table>.id = \"ID\"", renames),
            "old.\"new id\" <> \"n\".\"new id\" OR <table>.\"new id\" = \"ID\"");
  EXPECT_EQ(with_columns("id", {}), "id");
}

TEST(SqlTextTest, ListsGrowAtTheirEnd) {
  EXPECT_EQ(with_item(" USING btree (a, f((b)), ')' COLLATE \"(\") INCLUDE (c)", "k"),
            " USING btree (a, f((b)), ')' COLLATE \"(\", k) INCLUDE (c)");
  EXPECT_EQ(with_item("no list", "k"), "no list");
  EXPECT_EQ(end_of_list("a (b) (c)"), 5U);
  EXPECT_EQ(end_of_list("a (b"), std::string::npos);
}

TEST(SqlTextTest, BodiesMayHoldTheirOwnQuotes) {
  EXPECT_EQ(do_block("BEGIN END"), "DO $pgfanout$BEGIN END$pgfanout$");
  EXPECT_EQ(dollar_quoted("$pgfanout$"), "$pgfanout_$$pgfanout$$pgfanout_$");
}

TEST(SqlTextTest, PlaceholdersAreFilled) {
  EXPECT_EQ(with_placeholder("{table} a, {table}", "{table}", "{table}x"), "{table}x a, {table}x");
  EXPECT_EQ(with_placeholder("", "{table}", "x"), "");
}

}  // namespace
}  // namespace pgfanout
