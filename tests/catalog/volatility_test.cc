#include "copier/catalog/volatility.h"

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

}  // namespace
}  // namespace pgfanout
