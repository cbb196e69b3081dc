#include "copier/catalog/sql_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CalledFunctionsTest, FindsCalls) {
  EXPECT_THAT(called_functions("nextval('public.s')"), ElementsAre(CalledFunction{"", "nextval"}));
  EXPECT_THAT(called_functions("App.New_Id ( ) + pg_catalog.random()"),
              ElementsAre(CalledFunction{"app", "new_id"}, CalledFunction{"pg_catalog", "random"}));
  EXPECT_THAT(called_functions("\"My\".\"Fn\"(1)"), ElementsAre(CalledFunction{"My", "Fn"}));
  EXPECT_THAT(called_functions("lower(lower(x))"), ElementsAre(CalledFunction{"", "lower"}));
}

TEST(CalledFunctionsTest, LiteralsAndCommentsAreNotCalls) {
  for (const char* sql : {"'random()'", "$$random()$$", "$x$ random() $x$", "E'\\'random()'",
                          "x -- random()", "x /* random( /* nested( */ ) */", "a + (b)", "'it''s('",
                          "u1.5e3 * (2)", "'unterminated(", "/* unterminated("}) {
    EXPECT_THAT(called_functions(sql), IsEmpty()) << sql;
  }
}

TEST(DependsOnSessionTest, TimeAndUser) {
  for (const char* sql :
       {"now()", "CURRENT_TIMESTAMP", "current_date - 1", "coalesce(x, localtime)",
        "current_setting('a.b')", "USER", "session_user", "pg_catalog.now()"}) {
    EXPECT_TRUE(depends_on_session(sql)) << sql;
  }
  for (const char* sql : {"\"now\"", "'now()'", "t.user", "now", "\"current_date\"", "created_at",
                          "upper(x)", "coalesce(metadata, meta::jsonb, '{}'::jsonb)"}) {
    EXPECT_FALSE(depends_on_session(sql)) << sql;
  }
}

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
