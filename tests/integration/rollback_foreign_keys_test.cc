// Foreign keys that a rollback gives back to rows that violate them by now: NOT VALID, with the
// rows named, and a statement that validates them.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class RollbackForeignKeysTest : public testing::WindowFixture {
 protected:
  void begin_swapped() {
    begin_at("swapped", [this] {
      execute(
          "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT"
          " generate_series(1, 20);"
          "CREATE TABLE docs (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE,"
          " reply_to int) PARTITION BY HASH (id);"
          "CREATE TABLE docs_h0 PARTITION OF docs FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
          "CREATE TABLE docs_h1 PARTITION OF docs FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
          "INSERT INTO docs SELECT n, 1 + n % 20, NULL FROM generate_series(1, 300) n;"
          "ALTER TABLE docs ADD CONSTRAINT \"docs reply\" FOREIGN KEY (reply_to) REFERENCES docs;"
          "CREATE SCHEMA \"Other 'x\"; CREATE TABLE \"Other 'x\".\"ADD notes\" (id int PRIMARY KEY,"
          " doc int CONSTRAINT \"it's a key\" REFERENCES docs);"
          "COMMENT ON CONSTRAINT \"it's a key\" ON \"Other 'x\".\"ADD notes\" IS 'mine';"
          "CREATE TABLE parts (id int, doc int, PRIMARY KEY (id, doc)) PARTITION BY RANGE (id);"
          "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);"
          "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);"
          "ALTER TABLE parts ADD CONSTRAINT parts_doc FOREIGN KEY (doc) REFERENCES docs;"
          "CREATE TABLE loose (doc int);"
          "ALTER TABLE loose ADD CONSTRAINT loose_doc FOREIGN KEY (doc) REFERENCES docs NOT VALID;"
          "CREATE TABLE of_leaf (doc int CONSTRAINT of_leaf_doc REFERENCES docs_h0);"
          "INSERT INTO of_leaf SELECT min(id) FROM docs_h0");
      ASSERT_EQ(window("run", {"--table", "docs", "--key", "abs(hashtext(id::text)) % 8", "--swap",
                               "--accept", "foreign key \"Other 'x\".\"ADD notes\".\"it's a key\"",
                               "--accept", "foreign key public.parts.parts_doc", "--accept",
                               "foreign key public.loose.loose_doc", "--accept",
                               "foreign key public.of_leaf.of_leaf_doc", "--accept",
                               "foreign key \"docs reply\""})
                    .exit_code,
                0)
          << json.dump(1);
    });
  }
  [[nodiscard]] std::string keys() const {
    return value(
        "SELECT string_agg(conrelid::regclass || ' ' || conname || ' ' || convalidated, ', ' ORDER"
        " BY conname) FROM (SELECT conrelid::regclass::text COLLATE \"C\" AS conrelid, conname,"
        " convalidated FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND"
        " connamespace <> 'pgfanout'::regnamespace) k");
  }
};

TEST_F(RollbackForeignKeysTest, OrphansAreNamedAndKeysComeBackNotValid) {
  begin_swapped();
  execute(
      "INSERT INTO \"Other 'x\".\"ADD notes\" SELECT n, 9000 + n FROM generate_series(1, 12) n;"
      "INSERT INTO \"Other 'x\".\"ADD notes\" VALUES (13, NULL), (14, 5);"
      "INSERT INTO parts VALUES (1, 7777), (101, 5); INSERT INTO loose VALUES (8888);"
      "INSERT INTO of_leaf VALUES (6666);"
      "DELETE FROM parents WHERE id = 3");
  const CommandResult result = window("rollback", {"--table", "docs", "--force"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM docs"), "300");
  EXPECT_TRUE(has_issue("orphan-rows"));
  EXPECT_TRUE(has_issue("old-rows-refer"));
  EXPECT_THAT(result.err,
              HasSubstr("12 rows refer to rows that public.docs does not have: id=1 doc=9001; "));
  EXPECT_THAT(result.err, HasSubstr("; ..."));
  EXPECT_THAT(result.err,
              HasSubstr("1 row refers to rows that public.docs does not have: id=1 doc=7777"));
  EXPECT_THAT(result.err, HasSubstr("does not have: doc=6666"));
  EXPECT_THAT(result.err,
              HasSubstr("15 rows refer to rows that public.parents does not have: id="));
  EXPECT_THAT(result.err, HasSubstr("but for a foreign key that is NOT VALID"));
  EXPECT_EQ(value("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname ="
                  " 'it''s a key'"),
            "mine");
  EXPECT_EQ(sqlstate_of("INSERT INTO \"Other 'x\".\"ADD notes\" VALUES (99, 4321)"), "23503");
  EXPECT_EQ(sqlstate_of("INSERT INTO parts VALUES (2, 4321)"), "23503");
  EXPECT_EQ(sqlstate_of("INSERT INTO docs VALUES (5000, 3, NULL)"), "23503");
  EXPECT_EQ(sqlstate_of("INSERT INTO docs VALUES (5000, 1, 4999)"), "23503");
  // Each hint validates its key once the rows are mended.
  execute(
      "DELETE FROM \"Other 'x\".\"ADD notes\" WHERE doc > 9000; DELETE FROM parts WHERE doc = 7777;"
      "DELETE FROM of_leaf WHERE doc = 6666; INSERT INTO parents VALUES (3)");
  for (const testing::Json& issue : json["issues"]) {
    if (issue["code"] != "orphan-rows" && issue["code"] != "old-rows-refer") continue;
    const std::string hint = issue["hint"];
    const std::string before = "then validate it: ";
    ASSERT_THAT(hint, HasSubstr(before));
    EXPECT_EQ(sqlstate_of(hint.substr(hint.find(before) + before.size())), "00000") << hint;
  }
  EXPECT_EQ(
      keys(),
      "docs docs reply true, docs docs_parent_fkey true, \"Other 'x\".\"ADD notes\" it's a key"
      " true, loose loose_doc false, of_leaf of_leaf_doc true, parts "
      "parts_doc true");
}

TEST_F(RollbackForeignKeysTest, WithoutOrphansTheyAreAsBefore) {
  begin_swapped();
  const CommandResult result = window("rollback", {"--table", "docs"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_FALSE(has_issue("orphan-rows"));
  EXPECT_THAT(result.err, HasSubstr("rolled back: docs is as it was before the job\n"));
  EXPECT_EQ(
      keys(),
      "docs docs reply true, docs docs_parent_fkey true, \"Other 'x\".\"ADD notes\" it's a key"
      " true, loose loose_doc false, of_leaf of_leaf_doc true, parts "
      "parts_doc true");
}

}  // namespace
}  // namespace pgfanout
