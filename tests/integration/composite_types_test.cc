// Values that name types by OID, between two databases in which the same types have other OIDs.
#include <algorithm>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

constexpr const char* kTypes =
    "CREATE SCHEMA kinds; CREATE TYPE kinds.\"Mood\" AS ENUM ('ok', 'sad', 'gl''ad');"
    "CREATE TYPE kinds.pair AS (a int, b kinds.\"Mood\");"
    "CREATE TYPE kinds.deep AS (p kinds.pair, ps kinds.pair[], gone int, m kinds.\"Mood\"[]);"
    "ALTER TYPE kinds.deep DROP ATTRIBUTE gone; ALTER TYPE kinds.deep ADD ATTRIBUTE t text;"
    "CREATE DOMAIN kinds.moods AS kinds.\"Mood\"[];"
    "CREATE DOMAIN kinds.some_pair AS kinds.pair CHECK ((VALUE).a IS DISTINCT FROM 13);"
    "CREATE TYPE kinds.span AS RANGE (SUBTYPE = kinds.\"Mood\");"
    "CREATE TYPE kinds.pairs AS RANGE (SUBTYPE = kinds.pair);"
    "CREATE TYPE kinds.holder AS (s kinds.span, d kinds.some_pair, r kinds.pairs)";

class CompositeTypesTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    other = server().create_database("composites_target");
    server().execute(other, "CREATE TYPE filler AS (a int)");
  }
  void make_table(int rows) const {
    execute(kTypes);
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, p kinds.pair, d kinds.deep, ds kinds.deep[],"
        " m kinds.moods, sp kinds.some_pair, s kinds.span, r kinds.pairs, mr "
        "kinds.pairs_multirange,"
        " h kinds.holder[]);"
        "INSERT INTO t SELECT i, p, d, CASE WHEN i % 5 > 0 THEN ARRAY[d, NULL, d] END,"
        " CASE WHEN i % 7 > 0 THEN ARRAY[(p).b, NULL]::kinds.moods ELSE '{}' END, p,"
        " kinds.span('ok', 'sad', '[]'), r, kinds.pairs_multirange(r),"
        " ARRAY[ROW(kinds.span('ok', NULL), p, r)::kinds.holder]"
        " FROM (SELECT i, p, ROW(p, ARRAY[[p, NULL], [p, p]], ARRAY[(p).b], 'text ' || "
        "i)::kinds.deep"
        "  AS d, kinds.pairs(p, CASE WHEN i % 3 > 0 THEN ROW(i + 1, 'sad')::kinds.pair END) AS r"
        " FROM (SELECT i, ROW(i, CASE WHEN i % 4 > 0 THEN (enum_range(NULL::kinds.\"Mood\"))[1 + i "
        "% 3]"
        "  END)::kinds.pair AS p FROM generate_series(20, " +
        std::to_string(19 + rows) + ") i) a) b; INSERT INTO t (id) VALUES (0)");
  }
  CommandResult between(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"--table",      "t", "--key",    "id % 4",
                                      "--partitions", "4", "--target", server().dsn(other)};
    words.insert(words.end(), more.begin(), more.end());
    return window(command, words);
  }
  [[nodiscard]] std::string text_of(const std::string& where, const std::string& table) const {
    return server().value(where,
                          "SELECT md5(string_agg(concat_ws('|', id, p, d, ds, m, sp, s, r, mr, h),"
                          " ',' ORDER BY id)) FROM " +
                              table);
  }
  std::string other;
};

TEST_F(CompositeTypesTest, RowsArriveUnchangedAndAreProvenEqual) {
  make_table(300);
  server().execute(other, kTypes);
  const CommandResult copied = between("copy");
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(text_of(database, "t"), text_of(other, "t_new"));
  const CommandResult equal = between("verify", {"--data"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

TEST_F(CompositeTypesTest, DifferencesWithinAreFoundNamedAndRepaired) {
  make_table(100);
  server().execute(other, kTypes);
  ASSERT_EQ(between("copy").exit_code, 0);
  server().execute(other,
                   "UPDATE t_new SET d.ps[1][1] = ROW(-1, 'ok') WHERE id = 50;"
                   "UPDATE t_new SET h = NULL WHERE id = 51; DELETE FROM t_new WHERE id = 52");
  EXPECT_EQ(between("verify", {"--data"}).exit_code, 1);
  // Without a primary key in the target, rows are still told apart by the source's.
  EXPECT_EQ(json["differences"]["changed"], 2) << json["differences"];
  EXPECT_EQ(json["differences"]["missing"], 1);
  const CommandResult repaired = between("verify", {"--data", "--repair", "--yes"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired;
  EXPECT_EQ(text_of(database, "t"), text_of(other, "t_new"));
}

TEST_F(CompositeTypesTest, ATypeOfAnotherDefinitionIsRefusedByName) {
  make_table(10);
  const std::pair<std::string, std::string> changes[] = {
      // The bytes would fit, and the values would change places.
      {"CREATE TYPE kinds.pair AS (a int, b kinds.\"Mood\")",
       "CREATE TYPE kinds.pair AS (b int, a kinds.\"Mood\")"},
      {"p kinds.pair, ps", "p kinds.pair, x int, ps"},
      {"AS RANGE (SUBTYPE = kinds.\"Mood\")", "AS RANGE (SUBTYPE = kinds.pair)"},
      {"CREATE DOMAIN kinds.moods AS kinds.\"Mood\"[]", "CREATE DOMAIN kinds.moods AS text[]"}};
  for (const auto& [was, is] : changes) {
    std::string types = kTypes;
    types.replace(types.find(was), was.size(), is);
    types.replace(types.find("(VALUE).a IS"), 12, "VALUE IS NULL OR 1 IS");
    server().execute(other, "DROP SCHEMA IF EXISTS kinds CASCADE;" + types);
    EXPECT_EQ(between("copy").exit_code, 2) << is;
    EXPECT_EQ(error_code(), "type-differs") << is << json["issues"];
  }
}

TEST_F(CompositeTypesTest, ValuesOfAnExistingTargetAreComparedInItsTypes) {
  make_table(50);
  server().execute(other, kTypes);
  server().execute(other,
                   "CREATE TABLE mine (h kinds.holder[], id int, d kinds.deep, partition_key int,"
                   " p kinds.pair) PARTITION BY LIST (partition_key)");
  for (int leaf = 0; leaf < 4; ++leaf) {
    server().execute(other, "CREATE TABLE mine_" + std::to_string(leaf) +
                                " PARTITION OF mine FOR VALUES IN (" + std::to_string(leaf) + ")");
  }
  const std::vector<std::string> some = {"--into", "public.mine", "--skip", "ds",     "--skip",
                                         "m",      "--skip",      "sp",     "--skip", "s",
                                         "--skip", "r",           "--skip", "mr"};
  const CommandResult copied = between("copy", some);
  ASSERT_EQ(copied.exit_code, 0) << copied;
  std::vector<std::string> data = some;
  data.push_back("--data");
  const CommandResult equal = between("verify", data);
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

}  // namespace
}  // namespace pgfanout
