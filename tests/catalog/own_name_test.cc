// Which mentions in SQL text mean the table, and which only look like it.
#include <gtest/gtest.h>

#include "copier/catalog/own_name.h"

namespace pgfanout {
namespace {

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
