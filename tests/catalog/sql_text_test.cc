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

TEST(SqlTextTest, ItemsLeaveTheirList) {
  EXPECT_EQ(without_item(" USING btree (a, k) INCLUDE (k)", "k"), " USING btree (a) INCLUDE (k)");
  EXPECT_EQ(without_item("(k, a, kk)", "k"), "(a, kk)");
  EXPECT_EQ(without_item("(a, k, b)", "k"), "(a, b)");
  for (const char* same : {"(k)", "(a, kk)", "(a, f(k))", "no list"}) {
    EXPECT_EQ(without_item(same, "k"), same);
  }
}

TEST(SqlTextTest, BodiesMayHoldTheirOwnQuotes) {
  EXPECT_EQ(do_block("BEGIN END"), "DO $pgfanout$BEGIN END$pgfanout$");
  EXPECT_EQ(dollar_quoted("$pgfanout$"), "$pgfanout_$$pgfanout$$pgfanout_$");
}

TEST(SqlTextTest, PlaceholdersAreFilled) {
  EXPECT_EQ(with_placeholder("{table} a, {table}", "{table}", "{table}x"), "{table}x a, {table}x");
  EXPECT_EQ(with_placeholder("", "{table}", "x"), "");
}

// Which mentions in SQL text mean the table, and which only look like it.
std::string chunks(std::string_view sql) {
  return without_own_name(sql, "public", "chunks");
}

TEST(OwnNameTest, QualifiedNamesAndQualifiersAreReplaced) {
  EXPECT_EQ(chunks("FOREIGN KEY (up) REFERENCES public.chunks(id)"),
            "FOREIGN KEY (up) REFERENCES <table>(id)");
  EXPECT_EQ(chunks("SELECT chunks.id, chunks.* FROM public.chunks"),
            "SELECT <table>.id, <table>.* FROM <table>");
  EXPECT_EQ(chunks("public.chunks.id"), "<table>.id");
  EXPECT_EQ(chunks("x::public.chunks"), "x::<table>");
}

TEST(OwnNameTest, LiteralsStay) {
  EXPECT_EQ(chunks("CHECK (c <> 'public.chunks ''chunks.id')"),
            "CHECK (c <> 'public.chunks ''chunks.id')");
  EXPECT_EQ(chunks(R"(E'\'public.chunks' || public.chunks.c)"),
            R"(E'\'public.chunks' || <table>.c)");
  EXPECT_EQ(chunks("AS $f$ SELECT 1 FROM public.chunks $f$ -- "),
            "AS $f$ SELECT 1 FROM public.chunks $f$ -- ");
  EXPECT_EQ(chunks("'unfinished public.chunks"), "'unfinished public.chunks");
  EXPECT_EQ(chunks("\"unfinished public.chunks"), "\"unfinished public.chunks");
  EXPECT_EQ(chunks("$unfinished$ public.chunks"), "$unfinished$ public.chunks");
  EXPECT_EQ(chunks("$1 + public.chunks.n"), "$1 + <table>.n");
}

TEST(OwnNameTest, CommentsStay) {
  EXPECT_EQ(chunks("public.chunks -- public.chunks, isn't it\n, public.chunks"),
            "<table> -- public.chunks, isn't it\n, <table>");
  EXPECT_EQ(chunks("public.chunks /* public.chunks /* ' */ x */ chunks.id"),
            "<table> /* public.chunks /* ' */ x */ <table>.id");
}

TEST(OwnNameTest, NamesakesStay) {
  EXPECT_EQ(chunks("CHECK (chunks > 0)"), "CHECK (chunks > 0)");
  EXPECT_EQ(chunks("other.chunks.id"), "other.chunks.id");
  EXPECT_EQ(chunks("public.chunks(id)"), "public.chunks(id)");
  EXPECT_EQ(chunks("chunks.f(id)"), "chunks.f(id)");
  EXPECT_EQ(chunks("'sad'::chunks.mood"), "'sad'::chunks.mood");
  EXPECT_EQ(chunks("FROM chunks.other"), "FROM chunks.other");
  EXPECT_EQ(chunks("public.chunks_new public.\"Chunks\""), "public.chunks_new public.\"Chunks\"");
  EXPECT_EQ(chunks("public_chunks xpublic.chunks"), "public_chunks xpublic.chunks");
}

TEST(OwnNameTest, QuotedNames) {
  const auto odd = [](std::string_view sql) {
    return without_own_name(sql, "My Schema", "a\"b.c");
  };
  EXPECT_EQ(odd(R"(ON "My Schema"."a""b.c" USING btree ("a""b.c".x))"),
            "ON <table> USING btree (<table>.x)");
  EXPECT_EQ(odd(R"("a""b"."c")"), R"("a""b"."c")");
}

}  // namespace
}  // namespace pgfanout
