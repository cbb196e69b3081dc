// The statistics that the analyze stage leaves, against those of the server's own ANALYZE, on every
// major: before 18 the parent's come by another way than the leaves'.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class AnalyzeStageTest : public testing::WindowFixture {
 protected:
  /// Tables and columns of the target with statistics: "leaves x columns, parent's columns".
  [[nodiscard]] std::string statistics() const {
    return value(
        "SELECT count(*) FILTER (WHERE NOT inherited AND tablename ~ '^chunks_new_p') || ', ' ||"
        " count(*) FILTER (WHERE inherited AND tablename = 'chunks_new') FROM pg_stats"
        " WHERE schemaname = 'public'");
  }

  [[nodiscard]] std::string distinct_of_parent(const std::string& column) const {
    return value(
        "SELECT n_distinct FROM pg_stats WHERE tablename = 'chunks_new' AND inherited"
        " AND attname = '" +
        column + "'");
  }

  [[nodiscard]] std::string detail_of_stage(const std::string& name = "analyze") const {
    for (const Json& stage : json["stages"]) {
      if (stage["name"] == name) return stage.value("detail", "");
    }
    return "no such stage";
  }
};

TEST_F(AnalyzeStageTest, LeavesAndParentHaveTheServersOwnStatistics) {
  make_chunks(6000);
  const CommandResult result = window("run", {"--table", "chunks"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string leaves =
      value("SELECT count(*) FROM pg_class WHERE relname ~ '^chunks_new_p.$' AND reltuples > 0");
  EXPECT_EQ(value("SELECT sum(reltuples) FROM pg_class WHERE relname ~ '^chunks_new_p.$'"
                  " AND reltuples > 0"),
            "6000");
  EXPECT_EQ(value("SELECT reltuples FROM pg_class WHERE relname = 'chunks_new'"), "6000");
  const std::string found = statistics();
  const std::string distinct = distinct_of_parent("collection_id");
  EXPECT_EQ(distinct, "500");
  execute("ANALYZE chunks_new");
  EXPECT_EQ(found, statistics());
  EXPECT_EQ(distinct, distinct_of_parent("collection_id"));
  EXPECT_EQ(leaves, "8");
}

TEST_F(AnalyzeStageTest, WorksWithOneWorkerAndWithMoreThanLeaves) {
  make_chunks(500);
  const std::string key = "abs(hashtext(collection_id::text)) % 3";
  for (const std::string jobs : {"1", "8"}) {
    const CommandResult result = window(
        "run", {"--table", "chunks", "--key", key, "--partitions", "3", "--index-jobs", jobs});
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_THAT(detail_of_stage("index"), ::testing::HasSubstr(", 3 leaves analyzed,"));
    EXPECT_EQ(detail_of_stage(), "leaves were done in stage index, the parent here");
    EXPECT_EQ(statistics(), "18, 6");
    ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0);
  }
}

TEST_F(AnalyzeStageTest, LeavesLoadedInEpochsAreFrozen) {
  make_chunks(2000);
  // Pages are not marked visible before the WAL of their rows' COMMIT is flushed.
  server().execute("postgres", "ALTER DATABASE " + database + " SET synchronous_commit = on");
  const CommandResult result = window("run", {"--table", "chunks", "--commit-every", "500"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname ~ '^chunks_new_p.$'"
                  " AND relallvisible < relpages"),
            "0");
  EXPECT_THAT(detail_of_stage("index"), ::testing::HasSubstr("vacuumed"));
}

/// The sessions of the analyze stage wait for each other; a stop must reach those that do.
TEST_F(AnalyzeStageTest, StopsWhileALeafIsLocked) {
  make_chunks(2000);
  harness::TemporaryFile job(
      "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n[gates]\nconstraints = "
      "\"confirm\"\n");
  ASSERT_EQ(window("run", {job.path()}).exit_code, 3);
  auto other = server().connect(database);
  other.execute("BEGIN; LOCK TABLE ONLY chunks_new_p7 IN SHARE UPDATE EXCLUSIVE MODE");
  harness::BackgroundCommand command(
      harness::pgfanout_argv({"run", job.path(), "--source", dsn(), "--confirm", "constraints"}));
  EXPECT_TRUE(eventually([this] {
    return value(
               "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation IN (SELECT oid"
               " FROM pg_class WHERE relname = 'chunks_new_p7')") == "t";
  }));
  command.send_signal(SIGINT);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.exit_code, 3) << stopped;
  expect_sessions_end();
  other.execute("ROLLBACK");
  const CommandResult result = window("run", {job.path()});
  EXPECT_EQ(result.exit_code, 0) << result;
  // Those that were done before the stop are not analyzed again.
  EXPECT_THAT(detail_of_stage(), ::testing::MatchesRegex("[1-8] lea(f|ves) analyzed"));
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.step WHERE step LIKE 'analyze %'"), "9");
}

}  // namespace
}  // namespace pgfanout
