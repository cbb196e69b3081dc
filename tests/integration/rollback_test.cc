// The way back from every point: after each stage, in the middle of any, after the swap, and twice.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "copier/lifecycle/fence.h"
#include "copier/plan/table.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class RollbackTest : public testing::WindowFixture {
 protected:
  /// The ticket's table with what hangs on it.
  void make_table(int rows) {
    make_chunks(rows);
    execute(
        "CREATE TABLE collections (id uuid PRIMARY KEY);"
        "INSERT INTO collections SELECT DISTINCT collection_id FROM chunks;"
        "ALTER TABLE chunks ADD CONSTRAINT chunks_collection_fkey FOREIGN KEY (collection_id)"
        " REFERENCES collections ON DELETE CASCADE;"
        "CREATE INDEX chunks_content_idx ON chunks (md5(content)) WHERE content IS NOT NULL;"
        "CREATE INDEX chunks_metadata_idx ON chunks USING gin (metadata);"
        "CREATE MATERIALIZED VIEW chunk_stats AS SELECT collection_id, count(*) AS n FROM chunks"
        " GROUP BY 1; CREATE UNIQUE INDEX chunk_stats_idx ON chunk_stats (collection_id);"
        "CREATE VIEW big_collections AS SELECT * FROM chunk_stats WHERE n > 0;"
        "CREATE VIEW contents AS SELECT id, content FROM chunks;"
        "COMMENT ON TABLE chunks IS 'pieces'; COMMENT ON COLUMN chunks.content IS 'text';"
        "GRANT SELECT ON chunks TO PUBLIC");
    before_ = catalog();
    rows_ = rows_digest();
  }
  [[nodiscard]] std::string rows_digest() const {
    return value("SELECT count(*) || ' ' || sum(hashtextextended(c::text, 0)) FROM chunks c");
  }
  void expect_as_before() {
    EXPECT_EQ(catalog(), before_);
    EXPECT_EQ(rows_digest(), rows_);
    EXPECT_EQ(value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                    " 'pgfanout/%'"),
              "0");
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000");
  }

  std::string before_;
  std::string rows_;
};

TEST_F(RollbackTest, AfterEveryStage) {
  make_table(800);
  for (const std::string stage :
       {"preflight", "prepare", "copy", "index", "constraints", "analyze", "verify"}) {
    const harness::TemporaryFile job("[gates]\n" + stage + " = \"confirm\"\n");
    ASSERT_EQ(window("run", {job.path(), "--table", "chunks"}).exit_code, 3) << stage;
    const CommandResult undone = window("rollback", {"--table", "chunks"});
    EXPECT_EQ(undone.exit_code, 0) << stage << undone;
    EXPECT_THAT(undone.out + undone.err, HasSubstr("writes are allowed"));
    expect_as_before();
    EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << "twice does no harm";
    expect_as_before();
    if (HasFailure()) FAIL() << "after " << stage;
  }
}

TEST_F(RollbackTest, InTheMiddleOfAnyStage) {
  make_table(4000);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 8; ++round) {
    harness::BackgroundCommand command(harness::pgfanout_argv(
        {"run", "--source", dsn(), "--table", "chunks", "--swap", "--json", "--writers", "8"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 3500));
    command.send_signal(SIGKILL);
    command.wait();
    // It may have ended before, or not have begun.
    const CommandResult undone = window("rollback", {"--table", "chunks"});
    if (undone.exit_code != 0) {
      EXPECT_TRUE(has_issue("no-job")) << undone;
    }
    expect_as_before();
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST_F(RollbackTest, KilledRunsGoOnAndEndAsOneThatWasNot) {
  make_table(4000);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 6; ++round) {
    harness::BackgroundCommand command(harness::pgfanout_argv(
        {"run", "--source", dsn(), "--table", "chunks", "--json", "--writers", "8"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(300 + random() % 2500));
    command.send_signal(SIGKILL);
    command.wait();
  }
  const CommandResult ended = window("run", {"--table", "chunks", "--swap", "--writers", "8"});
  ASSERT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(value("SELECT count(*) || ' ' || sum(hashtextextended(ROW(id, collection_id, content,"
                  " metadata, created_at)::text, 0)) FROM chunks c"),
            rows_);
  EXPECT_EQ(value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid"
                  " WHERE h.inhparent = 'chunks'::regclass AND i.indisvalid"),
            "300");
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

TEST_F(RollbackTest, AfterTheSwap) {
  make_table(1500);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM contents"), "1500");
  const CommandResult undone = window("rollback", {"--table", "chunks"});
  ASSERT_EQ(undone.exit_code, 0) << undone;
  expect_as_before();
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0);
  // And everything once more.
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "1500");
}

TEST_F(RollbackTest, WhatWasWrittenSinceTheSwapIsNotLostUnasked) {
  make_table(1500);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
  execute(
      "INSERT INTO chunks (id, collection_id, content, partition_key) SELECT 90000 + n, c.id, "
      "'new',"
      " abs(hashtext(c.id::text)) % 100 FROM generate_series(1, 5) n,"
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
  make_table(300);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
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
  make_table(500);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  execute("DELETE FROM chunks WHERE id <= 10");
  const CommandResult forced = window("rollback", {"--table", "chunks", "--force"});
  ASSERT_EQ(forced.exit_code, 0) << forced;
  EXPECT_TRUE(has_issue("new-rows-lost"));
  expect_as_before();
}

TEST_F(RollbackTest, AfterCleanupThereIsNoWayBack) {
  make_table(300);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("retention"));
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
  make_table(400);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  harness::Session reader = server().connect(database);
  reader.execute("BEGIN; LOCK TABLE chunks_h7 IN ACCESS SHARE MODE");
  EXPECT_NE(
      window("cleanup", {"--table", "chunks", "--force", "--lock-timeout", "500ms"}).exit_code, 0);
  EXPECT_EQ(window("rollback", {"--table", "chunks", "--force"}).exit_code, 2);
  EXPECT_TRUE(has_issue("backup-gone"));
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "400");
  reader.execute("COMMIT");
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
}

TEST_F(RollbackTest, ColumnAddedSinceTheSwapIsNotLostUnasked) {
  make_table(300);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  execute("ALTER TABLE chunks ADD COLUMN extra text DEFAULT 'precious'");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("live-changed"));
  EXPECT_EQ(value("SELECT count(extra) FROM chunks"), "300");
  EXPECT_EQ(window("rollback", {"--table", "chunks", "--force"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

TEST_F(RollbackTest, DamagedJournalIsRefusedAndNotGuessedAt) {
  make_table(300);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
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

TEST_F(RollbackTest, CleanupNamesWhatDependsOnTheBackup) {
  make_table(300);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  const std::string backup = value("SELECT backup_name FROM pgfanout.job");
  execute("CREATE VIEW old_ones AS SELECT count(*) FROM " + backup);
  const CommandResult refused = window("cleanup", {"--table", "chunks", "--force"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr("view public.old_ones"));
  EXPECT_EQ(value("SELECT count(*) FROM " + backup), "300") << "nothing was dropped";
}

}  // namespace
}  // namespace pgfanout
