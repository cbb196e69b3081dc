#include "copier/catalog/nextval_call.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(NextvalCallTest, OneCallIsRecognizedHoweverItIsWritten) {
  for (const char* sql : {"nextval('public.s')", " NextVal ( 'public.s' ) ",
                          "pg_catalog.nextval('public.s'::regclass)", "(nextval('public.s'))",
                          "nextval('public.s'::pg_catalog.regclass)::int4 -- the new id",
                          "((nextval('public.s')::\"Id\"))::text"}) {
    EXPECT_EQ(nextval_literal(sql), "'public.s'") << sql;
  }
  EXPECT_EQ(nextval_literal("nextval('\"It''s\".\"S\"')"), "'\"It''s\".\"S\"'");
  EXPECT_EQ(nextval_literal("nextval($$public.s$$)"), "$$public.s$$");
}

TEST(NextvalCallTest, AnythingElseIsNot) {
  for (const char* sql :
       {"nextval('s') * 10", "coalesce(id, nextval('s'))", "app.nextval('s')", "nextval(name)",
        "nextval(17)", "'nextval(''s'')'", "\"nextval\"", "nextval('s'", "nextval('s'))",
        "(nextval('s')", "nextval('a' || 'b')", "nextval('s')::numeric(9,2)", "", "id"}) {
    EXPECT_EQ(nextval_literal(sql), std::nullopt) << sql;
  }
}

}  // namespace
}  // namespace pgfanout
