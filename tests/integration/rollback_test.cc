// The way back from every point: after each stage, after the swap, and twice.
#include <gmock/gmock.h>

#include <chrono>

#include "copier/catalog/table.h"
#include "copier/session/fence.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class RollbackTest : public testing::RollbackFixture {
 protected:
  void begin_with_table() {
    begin_at("table", [this] { make_table(300); });
  }
  void begin_swapped() {
    begin_at("swapped", [this] {
      begin_with_table();
      ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
    });
  }
};

TEST_F(RollbackTest, AfterEveryStage) {
  begin_with_table();
  for (const std::string stage :
       {"preflight", "prepare", "copy", "index", "constraints", "analyze", "verify"}) {
    const harness::TemporaryFile job("[target]\npartitions = 8\n[gates]\n" + stage +
                                     " = \"confirm\"\n");
    ASSERT_EQ(window("run", {job.path(), "--table", "chunks"}).exit_code, 3) << stage;
    const CommandResult undone = window("rollback", {"--table", "chunks"});
    EXPECT_EQ(undone.exit_code, 0) << stage << undone;
    EXPECT_THAT(undone.out + undone.err, HasSubstr("writes are allowed"));
    expect_as_before();
    if (HasFailure()) FAIL() << "after " << stage;
  }
}

TEST_F(RollbackTest, AfterTheSwapTwiceAndBegunAnew) {
  begin_swapped();
  EXPECT_EQ(value("SELECT count(*) FROM contents"), "300");
  const CommandResult undone = window("rollback", {"--table", "chunks"});
  ASSERT_EQ(undone.exit_code, 0) << undone;
  expect_as_before();
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << "twice does no harm";
  expect_as_before();
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "300");
}

TEST_F(RollbackTest, WhatWasWrittenSinceTheSwapIsNotLostUnasked) {
  begin_swapped();
  execute(
      "INSERT INTO chunks (id, collection_id, content, partition_key) SELECT 90000 + n, c.id, "
      "'new',"
      " abs(hashtext(c.id::text)) % 8 FROM generate_series(1, 5) n,"
      " (SELECT id FROM collections ORDER BY id LIMIT 1) c;"
      "UPDATE chunks SET content = 'changed' WHERE id IN (10, 11, 12);"
      "DELETE FROM chunks WHERE id IN (20, 21)");
  const std::string live = value(
      "SELECT count(*) || ' ' || sum(hashtextextended(ROW(id, collection_id, content, metadata,"
      " created_at)::text, 0)) FROM chunks c");
  const CommandResult refused = window("rollback", {"--table", "chunks"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_TRUE(has_issue("new-rows"));
  EXPECT_THAT(refused.err, HasSubstr("5 inserted, 3 updated, 2 deleted"));
  EXPECT_EQ(json["differences"]["extra"], 5);
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET content = 'changed' WHERE id = 10"), "00000")
      << "the application goes on";
  const CommandResult kept = window("rollback", {"--table", "chunks", "--keep-new-rows"});
  ASSERT_EQ(kept.exit_code, 0) << kept;
  EXPECT_EQ(catalog(), before_);
  EXPECT_EQ(rows_digest(), live);
}

TEST_F(RollbackTest, KilledRollbackIsSaidAndReleased) {
  begin_swapped();
  // As a rollback leaves it that was killed while it looked for new rows.
  auto connection = Connection::open({dsn(), "test", std::chrono::seconds(10)});
  ASSERT_TRUE(connection);
  auto live = describe_table(*connection, "chunks");
  ASSERT_TRUE(live);
  const Fence fence(value("SELECT job FROM pgfanout.job"), "live");
  ASSERT_TRUE(fence.raise(*connection, *live, {}, Cancellation()));
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 1"), "55000");
  EXPECT_THAT(window("status", {"--table", "chunks"}).err, HasSubstr("writes are refused"));
  EXPECT_EQ(window("run", {"--table", "chunks", "--release"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks WHERE id = 1; ROLLBACK"), "00000");
  EXPECT_EQ(sqlstate_of("DELETE FROM " + value("SELECT backup_name FROM pgfanout.job")), "55000");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

TEST_F(RollbackTest, ForceLosesWhatWasWrittenAndSaysSo) {
  begin_swapped();
  execute("DELETE FROM chunks WHERE id <= 10");
  const CommandResult forced = window("rollback", {"--table", "chunks", "--force"});
  ASSERT_EQ(forced.exit_code, 0) << forced;
  EXPECT_TRUE(has_issue("new-rows-lost"));
  expect_as_before();
}

TEST_F(RollbackTest, AfterCleanupThereIsNoWayBack) {
  begin_swapped();
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("retention"));
  const std::string backup = value("SELECT backup_name FROM pgfanout.job");
  execute("CREATE VIEW old_ones AS SELECT count(*) FROM " + backup);
  const CommandResult refused = window("cleanup", {"--table", "chunks", "--force"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr("view public.old_ones"));
  EXPECT_EQ(value("SELECT count(*) FROM " + backup), "300") << "nothing was dropped";
  execute("DROP VIEW old_ones");
  const CommandResult cleaned = window("cleanup", {"--table", "chunks", "--force"});
  ASSERT_EQ(cleaned.exit_code, 0) << cleaned;
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE '%backup%' AND relnamespace ="
                  " 'public'::regnamespace"),
            "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'pgfanout'::regnamespace"),
            "0");
  EXPECT_EQ(value("SELECT sum(n) FROM big_collections"), "300");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("backup-gone"));
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 0) << "twice does no harm";
}

TEST_F(RollbackTest, HalfACleanupLeavesNoWayBackButToItsEnd) {
  begin_swapped();
  harness::Session reader = server().connect(database);
  reader.execute("BEGIN; LOCK TABLE chunks_h7 IN ACCESS SHARE MODE");
  EXPECT_NE(
      window("cleanup", {"--table", "chunks", "--force", "--lock-timeout", "100ms"}).exit_code, 0);
  EXPECT_EQ(window("rollback", {"--table", "chunks", "--force"}).exit_code, 2);
  EXPECT_TRUE(has_issue("backup-gone"));
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "300");
  reader.execute("COMMIT");
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
}

TEST_F(RollbackTest, ColumnAddedSinceTheSwapIsNotLostUnasked) {
  begin_swapped();
  execute("ALTER TABLE chunks ADD COLUMN extra text DEFAULT 'precious'");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("live-changed"));
  EXPECT_EQ(value("SELECT count(extra) FROM chunks"), "300");
  EXPECT_EQ(window("rollback", {"--table", "chunks", "--force"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

TEST_F(RollbackTest, ColumnThatWasAddedAndDroppedIsNoChange) {
  begin_swapped();
  execute("ALTER TABLE chunks ADD COLUMN extra text; ALTER TABLE chunks DROP COLUMN extra");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

TEST_F(RollbackTest, DamagedJournalIsRefusedAndNotGuessedAt) {
  begin_swapped();
  const std::string after = catalog();
  execute(
      "CREATE TABLE kept AS SELECT * FROM pgfanout.undo; DELETE FROM pgfanout.undo WHERE phase ="
      " 'swap'");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("journal-damaged"));
  execute("INSERT INTO pgfanout.undo SELECT * FROM kept ON CONFLICT DO NOTHING; DROP TABLE kept");
  EXPECT_EQ(catalog(), after);
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

}  // namespace
}  // namespace pgfanout
