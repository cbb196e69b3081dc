// Things that happen in the middle: signals, dead servers, somebody else at work, and a target that
// changes between commit and read-back. Nothing is ever called equal that is not.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "copier/lifecycle/copy_job.h"
#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using harness::BackgroundCommand;
using harness::TestServer;
using testing::CommandResult;

class CopyFaultsTest : public testing::CopyFixture {
 protected:
  /// Slows the source down, so that a signal meets the copy at work.
  void make_slow_chunks() const {
    make_chunks(20000);
    execute(
        "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_sleep(0.001); RETURN $1; END $$");
  }
  void make_fast() const {
    execute("CREATE OR REPLACE FUNCTION slow(text) RETURNS text LANGUAGE sql AS 'SELECT $1'");
  }
  [[nodiscard]] std::vector<std::string> slow_copy() const {
    return harness::pgfanout_argv({"copy", "--source", dsn(), "--table", "chunks", "--map",
                                   "content=public.slow(content)", "--progress", "plain"});
  }
  /// The plan samples the source by COPY as well: only the readers count.
  void wait_until_copying() const {
    for (int attempt = 0; attempt < 200; ++attempt) {
      if (server().value("postgres",
                         "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE "
                         "'COPY (SELECT%' AND application_name LIKE 'pgfanout/%/reader' "
                         "AND datname = '" +
                             database + "'") == "t") {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "the copy did not begin";
  }
  void expect_no_sessions() const {
    for (int attempt = 0; attempt < 100; ++attempt) {
      if (value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgfanout/%'") ==
          "0") {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "sessions are left";
  }
};

TEST_F(CopyFaultsTest, InterruptStopsWithinASecondAndLosesNothing) {
  make_slow_chunks();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::vector<std::string> argv = slow_copy();
    argv.push_back("--restart");
    BackgroundCommand command(argv);
    wait_until_copying();
    const auto sent = std::chrono::steady_clock::now();
    command.send_signal(signal);
    const CommandResult result = command.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(2));
    EXPECT_EQ(result.exit_code, 3) << result;
    expect_no_sessions();
  }
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "20000");
  // With other settings it is another copy: refused, until told to begin anew.
  EXPECT_EQ(copy({"--table", "chunks"}).exit_code, 2);
  EXPECT_EQ(error_code(), "other-request");
  EXPECT_EQ(copy({"--table", "chunks", "--restart"}).exit_code, 0);
  expect_copied();
}

TEST_F(CopyFaultsTest, KilledClientLeavesAJobThatGoesOn) {
  make_slow_chunks();
  BackgroundCommand command(slow_copy());
  wait_until_copying();
  command.send_signal(SIGKILL);
  command.wait();
  expect_no_sessions();
  make_fast();
  EXPECT_EQ(copy({"--table", "chunks", "--map", "content=public.slow(content)"}).exit_code, 0);
  expect_copied();
}

TEST_F(CopyFaultsTest, SecondJobOnTheSameTargetIsRefusedAndToldOfTheFirst) {
  make_slow_chunks();
  BackgroundCommand first(slow_copy());
  wait_until_copying();
  const CommandResult second = copy({"--table", "chunks"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_EQ(error_code(), "target-in-use");
  EXPECT_NE(second.out.find("pgfanout/"), std::string::npos);
  first.send_signal(SIGINT);
  EXPECT_EQ(first.wait().exit_code, 3);
}

TEST_F(CopyFaultsTest, ServerThatIsKilledDuringTheCopy) {
  TestServer doomed;
  make_slow_chunks();
  std::vector<std::string> argv = slow_copy();
  argv.insert(argv.end(), {"--target", doomed.dsn()});
  BackgroundCommand command(argv);
  wait_until_copying();
  doomed.stop_immediately();
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_NE(result.err.find("error:"), std::string::npos);
  doomed.start();
  make_fast();
  EXPECT_EQ(
      copy({"--table", "chunks", "--target", doomed.dsn(), "--map", "content=public.slow(content)"})
          .exit_code,
      0);
}

TEST_F(CopyFaultsTest, TerminatedReaderAndWriterAreOpenedAgain) {
  make_slow_chunks();
  for (const std::string role : {"reader", "writer"}) {
    execute(
        "CREATE OR REPLACE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_sleep(0.001); RETURN $1; END $$");
    std::vector<std::string> argv = slow_copy();
    argv.push_back("--restart");
    BackgroundCommand command(argv);
    wait_until_copying();
    make_fast();
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
        "'pgfanout/%/" +
        role + "' LIMIT 1");
    const CommandResult result = command.wait();
    EXPECT_EQ(result.exit_code, 0) << role << result;
    expect_no_sessions();
    expect_copied();
  }
}

TEST_F(CopyFaultsTest, SourceIsLockedAgainstWritesWhileItIsCopied) {
  make_slow_chunks();
  BackgroundCommand command(slow_copy());
  wait_until_copying();
  EXPECT_ANY_THROW(execute("SET lock_timeout = '200ms'; UPDATE chunks SET content = 'x'"));
  EXPECT_ANY_THROW(execute("SET lock_timeout = '200ms'; TRUNCATE chunks_h3"));
  EXPECT_ANY_THROW(execute("SET lock_timeout = '200ms'; VACUUM FULL chunks_h3"));
  execute("SELECT count(*) FROM chunks");
  command.send_signal(SIGINT);
  command.wait();
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
  make_chunks(3000);
  const std::string some_leaf =
      "chunks_new_p" + value(
                           "SELECT lpad((abs(hashtext(collection_id::text)) % 100)::text, 2, '0') "
                           "FROM chunks WHERE id = 1");
  const std::vector<std::pair<std::string, std::string>> plants = {
      {"UPDATE " + some_leaf + " SET content = 'y' WHERE id = 1", "digest-differs"},
      {"DELETE FROM " + some_leaf + " WHERE id = 1", "digest-differs"},
      {"INSERT INTO " + some_leaf + " SELECT * FROM " + some_leaf + " WHERE id = 1",
       "digest-differs"},
      {"DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = "
       "'" +
           some_leaf + "'::regclass AND contype = 'c' LOOP EXECUTE format('ALTER TABLE " +
           some_leaf + " DROP CONSTRAINT %I', c.conname); END LOOP; END $$; UPDATE " + some_leaf +
           " SET partition_key = (partition_key + 1) % 100 WHERE id = 1",
       "key-wrong"}};
  for (const auto& [sql, code] : plants) {
    JobDescription job;
    job.source_dsn = dsn();
    job.table = "chunks";
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
