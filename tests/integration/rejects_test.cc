// Rows that the target would not take: set aside one by one, with place, reason and bytes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

constexpr int kRejectRows = 4000;

class RejectsTest : public testing::ResumeFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    make_chunks(kRejectRows);
  }
  [[nodiscard]] static std::vector<std::string> words(int limit,
                                                      std::vector<std::string> more = {}) {
    std::vector<std::string> all = {
        "--table",        "chunks", "--writers",      "8",
        "--commit-every", "500",    "--reject-limit", std::to_string(limit)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// Source = target and rejects, row by row, and each reject says where it was.
  void expect_divided(int rejected) const {
    EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT identity->>'id') FROM"
                    " chunks_new_rejects"),
              fmt::format("{0} {0}", rejected));
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new"), std::to_string(kRejectRows - rejected));
    EXPECT_EQ(value("SELECT count(*) FROM chunks c FULL JOIN (SELECT id FROM chunks_new UNION ALL"
                    " SELECT (identity->>'id')::bigint FROM chunks_new_rejects) n USING (id)"
                    " WHERE c.id IS NULL OR n.id IS NULL"),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects r WHERE NOT EXISTS (SELECT 1 FROM"
                    " chunks c WHERE c.tableoid::regclass = r.source_leaf::regclass AND c.ctid ="
                    " r.source_ctid AND c.id = (r.identity->>'id')::bigint)"),
              "0");
  }
};

TEST_F(RejectsTest, ViolatedConstraintsOfATargetOfTheUsersOwn) {
  make_target(", CHECK (id % 500 <> 7), UNIQUE (partition_key, id)");
  const CommandResult result = copy(words(8));
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["rows"]["rejected"], 8);
  expect_divided(8);
  EXPECT_EQ(value("SELECT DISTINCT code || ' ' || sqlstate FROM chunks_new_rejects"),
            "constraint 23514");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects WHERE row_bytes IS NULL OR reason NOT"
                  " LIKE '%check%'"),
            "0");
  // Not even an error's text shows what stands in a row.
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects WHERE reason LIKE '%text %'"), "0");
}

TEST_F(RejectsTest, DuplicatesOfRowsThatAreThere) {
  make_target(", UNIQUE (partition_key, id, collection_id)");
  execute(
      "INSERT INTO chunks_new SELECT id, collection_id, 'old', metadata, created_at,"
      " abs(hashtext(collection_id::text)) % 8 FROM chunks WHERE id % 400 = 5");
  const CommandResult result = copy(words(10, {"--append"}));
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects WHERE sqlstate = '23505'"), "10");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE content = 'old'"), "10");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new"), std::to_string(kRejectRows));
}

TEST_F(RejectsTest, ANewTargetsOwnConstraints) {
  // The source's NOT NULL is the target's: the mapping breaks it for sixteen rows.
  const std::vector<std::string> broken = {
      "--map", "metadata=CASE WHEN id % 250 = 3 THEN NULL ELSE metadata END"};
  CommandResult result = copy(words(16, broken));
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_divided(16);
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects WHERE sqlstate = '23502'"), "16");
  std::vector<std::string> anew = words(15, broken);
  anew.push_back("--restart");
  result = copy(anew);
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "constraint");
  EXPECT_NE(result.err.find("\"id\""), std::string::npos) << "the row is named: " << result;
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
}

TEST_F(RejectsTest, ATriggerThatRaises) {
  make_target("");
  execute(
      "CREATE FUNCTION no_sevens() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id % 1000"
      " = 7 THEN RAISE EXCEPTION 'no sevens'; END IF; RETURN NEW; END $$; CREATE TRIGGER"
      " no_sevens BEFORE INSERT ON chunks_new FOR EACH ROW EXECUTE FUNCTION no_sevens()");
  const CommandResult result = copy(words(4));
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_divided(4);
}

TEST_F(RejectsTest, WholeLeavesCannotSetRowsAside) {
  EXPECT_EQ(copy({"--table", "chunks", "--commit-every", "leaf", "--reject-limit", "3"}).exit_code,
            2);
  EXPECT_EQ(error_code(), "usage");
}

}  // namespace
}  // namespace pgfanout
