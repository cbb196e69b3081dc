// Faults in the middle of a copy: signals, a lost session, other sessions at work, and a target
// that changes between commit and read-back. Tables that differ are never reported as equal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "copier/copy/copy_command.h"
#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using harness::BackgroundCommand;
using testing::CommandResult;

class CopyFaultsTest : public testing::CopyFixture {
 protected:
  /// Slows the source down, so that what is done to the copy meets it at work.
  void make_slow_chunks(const std::string& seconds_a_row) const {
    make_chunks(2000);
    execute(
        "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(" +
        seconds_a_row + "); RETURN $1; END $$");
  }
  void make_fast() const {
    execute("CREATE OR REPLACE FUNCTION slow(text) RETURNS text LANGUAGE sql AS 'SELECT $1'");
  }
  [[nodiscard]] std::vector<std::string> slow_copy() const {
    return harness::pgfanout_argv({"copy", "--source", dsn(), "--table", "chunks", "--map",
                                   "content=public.slow(content)", "--progress", "plain"});
  }
  /// The plan samples the source by COPY as well: only the readers count.
  [[nodiscard]] bool is_copying() const {
    return value(
               "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY /*%' AND"
               " application_name LIKE 'pgfanout/%/reader' AND datname = current_database()") ==
           "t";
  }
  void wait_until_copying() const {
    ASSERT_TRUE(eventually([this] { return is_copying(); })) << "the copy did not begin";
  }
};

TEST_F(CopyFaultsTest, ASignalStopsItAndTheSameCommandGoesOn) {
  // The whole copy would take ten seconds and more, and a statement that runs more than a second.
  make_slow_chunks("0.01");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    BackgroundCommand command(slow_copy());
    wait_until_copying();
    const auto sent = std::chrono::steady_clock::now();
    command.send_signal(signal);
    const CommandResult result = command.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(8));
    EXPECT_EQ(result.exit_code, 3) << result;
    expect_sessions_end();
  }
  make_fast();
  EXPECT_EQ(copy({"--table", "chunks", "--map", "content=public.slow(content)"}).exit_code, 0);
  expect_copied();
}

TEST_F(CopyFaultsTest, TheFirstSignalFinishesTheEpoch) {
  make_slow_chunks("0.001");
  std::vector<std::string> argv = slow_copy();
  argv.insert(argv.end(), {"--commit-every", "250"});
  BackgroundCommand command(argv);
  const auto has_begun = [&] {
    return value("SELECT to_regclass('pgfanout.epoch') IS NOT NULL") == "t" &&
           value("SELECT count(*) > 0 FROM pgfanout.epoch") == "t";
  };
  ASSERT_TRUE(eventually(has_begun)) << command.err();
  command.send_signal(SIGTERM);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.exit_code, 3) << stopped;
  EXPECT_NE(stopped.err.find("to resume"), std::string::npos) << stopped;
  EXPECT_NE(stopped.err.find("writes are refused"), std::string::npos) << stopped;
  // All leaves have the same epoch: nothing is to be repeated.
  EXPECT_EQ(value("SELECT count(DISTINCT epoch) FROM pgfanout.leaf_load"), "1");
  make_fast();
  EXPECT_EQ(
      copy({"--table", "chunks", "--map", "content=public.slow(content)", "--commit-every", "250"})
          .exit_code,
      0);
  EXPECT_GT(json["rows"]["resumed"], 0);
  EXPECT_EQ(json["rows"]["read"].get<int>() + json["rows"]["resumed"].get<int>(), 2000);
  expect_copied();
}

TEST_F(CopyFaultsTest, OthersWhileACopyIsAtWork) {
  make_slow_chunks("0.01");
  BackgroundCommand first(slow_copy());
  wait_until_copying();
  server().execute("postgres", "ALTER DATABASE " + database + " SET lock_timeout = '20ms'");
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET content = 'x'"), "55000") << "refused, without a wait";
  for (const char* sql :
       {"TRUNCATE chunks_h3", "VACUUM FULL chunks_h3", "CREATE INDEX ON chunks_h3 (id)",
        "DROP TRIGGER pgfanout_fence ON chunks"}) {
    EXPECT_EQ(sqlstate_of(sql), "55P03") << sql;
  }
  execute("SELECT count(*) FROM chunks");
  const CommandResult second = copy({"--table", "chunks"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_EQ(error_code(), "target-in-use");
  EXPECT_NE(second.out.find("pgfanout/"), std::string::npos);
  EXPECT_TRUE(is_copying());
  first.send_signal(SIGINT);
  EXPECT_EQ(first.wait().exit_code, 3);
}

TEST_F(CopyFaultsTest, LostSessionsAreOpenedAgainByTheSameCall) {
  make_slow_chunks("0.002");
  std::vector<std::string> argv = slow_copy();
  argv.insert(argv.end(), {"--commit-every", "500"});
  BackgroundCommand command(argv);
  wait_until_copying();
  const auto end_one = [&](const std::string& where) {
    return eventually([&] {
      return value(
                 "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE datname = current_database() AND application_name LIKE 'pgfanout/%/" +
                 where + " LIMIT 1) t") == "1";
    });
  };
  ASSERT_TRUE(end_one("writer'"));
  EXPECT_TRUE(command.wait_for_output("retrying"));
  ASSERT_TRUE(end_one("reader' AND query LIKE 'COPY%'"));
  make_fast();
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  expect_sessions_end();
  expect_copied();
}

TEST_F(CopyFaultsTest, AFullStandardErrorPipeDoesNotStopIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const std::string filler(4096, 'x');
  while (write(ends[1], filler.data(), filler.size()) > 0) {
  }
  fcntl(ends[1], F_SETFL, 0);
  make_chunks(2000);
  const std::vector<std::string> words = {"copy",    "--source",   dsn(),
                                          "--table", "chunks",     "--commit-every",
                                          "500",     "--progress", "plain"};
  harness::SpawnOptions options;
  options.stderr_fd = ends[1];
  harness::ChildProcess child(harness::pgfanout_argv(words), options);
  const auto status = child.wait(std::chrono::seconds(40));
  close(ends[0]);
  close(ends[1]);
  ASSERT_TRUE(status.has_value()) << "it waits for whoever reads its messages";
  EXPECT_EQ(status->exit_code, 0);
  expect_copied();
}

/// Plants something at the start of a stage.
class Planter final : public Observer {
 public:
  Planter(std::string stage, std::function<void()> plant)
      : stage_(std::move(stage)), plant_(std::move(plant)) {}
  void job_started(const std::string&, const JobCounters&) override {}
  void stage_started(std::string_view stage) override {
    if (stage == stage_) plant_();
  }
  void stage_finished(const StageSummary&) override {}
  void issue_found(const Issue&) override {}

 private:
  std::string stage_;
  std::function<void()> plant_;
};

TEST_F(CopyFaultsTest, ChangesBetweenCommitAndReadBackAreFound) {
  make_chunks(1000);
  const std::string some_leaf =
      "chunks_new_p" +
      value("SELECT abs(hashtext(collection_id::text)) % 8 FROM chunks WHERE id = 1");
  const std::vector<std::pair<std::string, std::string>> plants = {
      {"UPDATE " + some_leaf + " SET content = 'y' WHERE id = 1", "digest-differs"},
      {"DELETE FROM " + some_leaf + " WHERE id = 1", "digest-differs"},
      {"INSERT INTO " + some_leaf + " SELECT * FROM " + some_leaf + " WHERE id = 1",
       "digest-differs"},
      {"DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = "
       "'" +
           some_leaf + "'::regclass AND contype = 'c' LOOP EXECUTE format('ALTER TABLE " +
           some_leaf + " DROP CONSTRAINT %I', c.conname); END LOOP; END $$; UPDATE " + some_leaf +
           " SET partition_key = (partition_key + 1) % 8 WHERE id = 1",
       "key-wrong"}};
  for (const auto& [sql, code] : plants) {
    JobDescription job;
    job.source_dsn = dsn();
    job.table = "chunks";
    job.partitions = harness::kLeaves;
    job.restart = true;
    Planter planter("read-back", [&, planted = sql] { execute(planted); });
    Cancellation cancellation;
    const JobResult result = run_copy(job, planter, cancellation);
    EXPECT_EQ(exit_code_of(result), 1) << sql;
    EXPECT_EQ(result.verdict, Verdict::differs) << sql;
    bool found = false;
    for (const Issue& issue : result.issues) {
      found |= issue.code == code && issue.where.find(some_leaf) != std::string::npos;
    }
    EXPECT_TRUE(found) << sql;
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks_new'::regclass"),
              "0")
        << "leaves that differ are not attached";
  }
}

TEST_F(CopyFaultsTest, LostLockOnTheSourceIsUnprovenWithoutAFence) {
  make_chunks(1000);
  JobDescription job;
  job.source_dsn = dsn();
  job.table = "chunks";
  job.partitions = harness::kLeaves;
  Planter planter("attach", [&] {
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
        "'pgfanout/%/source'");
  });
  Cancellation cancellation;
  EXPECT_EQ(exit_code_of(run_copy(job, planter, cancellation)), 0);
  job.fence = false;
  job.restart = true;
  EXPECT_EQ(exit_code_of(run_copy(job, planter, cancellation)), 4);
}

}  // namespace
}  // namespace pgfanout
