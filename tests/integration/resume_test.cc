// A copy that is interrupted goes on: what was committed is not read or written again, nothing is
// lost or doubled, and the source stays as it was meanwhile. Or it is refused, with the reason.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::kRows;

class ResumeTest : public testing::ResumeFixture {};

TEST_F(ResumeTest, AnInterruptionRepeatsAtMostOneEpoch) {
  const std::string expected = reference();
  // Some leaves have the epoch; none has it; all have all of them.
  for (const char* place : {"lane-committed:27", "epoch-drained:4", "copy-committed"}) {
    SCOPED_TRACE(place);
    crash_at(place, in_epochs({"--restart"}));
    expect_fenced();
    const CommandResult result = copy(in_epochs());
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(digest(), expected);
    EXPECT_EQ(json["source"]["digest"], expected);
    expect_copied();
    expect_free();
    // Committed and read: what was in both was read twice.
    const std::string of_job =
        " FROM pgfanout.epoch WHERE job = '" + json["job"].get<std::string>() + "'";
    const int most = std::stoi(value("SELECT max(rows)" + of_job));
    const int epochs = std::stoi(value("SELECT count(*)" + of_job));
    EXPECT_GE(epochs, 6);
    const int resumed = json["rows"]["resumed"];
    const int read = json["rows"]["read"];
    EXPECT_GT(resumed, 2 * most);
    EXPECT_GE(resumed + read, kRows);
    EXPECT_LE(resumed + read - kRows, most);
    EXPECT_EQ(json["rows"]["written"].get<int>() + resumed, kRows);
  }
}

TEST_F(ResumeTest, WholeLeavesThatWereCommittedAreKept) {
  const std::vector<std::string> words = {"--table", "chunks",    "--commit-every",
                                          "leaf",    "--writers", "8"};
  crash_at("lane-committed:4", words);
  // A COMMIT that was sent takes effect without the client.
  expect_sessions_end();
  const std::string kept = value("SELECT sum(rows) FROM pgfanout.leaf_load WHERE epoch = 1");
  ASSERT_EQ(copy(words).exit_code, 0);
  EXPECT_EQ(json["rows"]["resumed"], std::stoi(kept));
  EXPECT_EQ(json["rows"]["written"].get<int>() + std::stoi(kept), kRows);
  EXPECT_EQ(json["source"]["digest"], digest());
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, LeavesHaveTheirChecksBeforeTheirRows) {
  crash_at("tables-created", in_epochs());
  const std::string bounds = "SELECT count(*) FROM pg_constraint WHERE conname = 'pgfanout_bound'";
  EXPECT_EQ(value(bounds), "8");
  // An earlier version added them to loaded leaves.
  execute(
      "DO $$ BEGIN FOR k IN 1..7 LOOP EXECUTE format('ALTER TABLE chunks_new_p%s DROP CONSTRAINT"
      " pgfanout_bound, DROP CONSTRAINT partition_key_check', k); END LOOP; END $$");
  const CommandResult result = copy(in_epochs());
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_copied();
  EXPECT_EQ(value(bounds), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conname = 'partition_key_check'"), "9");
}

TEST_F(ResumeTest, KilledThreeTimesInARow) {
  for (const char* place : {"tables-created", "lane-committed:9", "lane-commit-sent:3"}) {
    crash_at(place, in_epochs());
  }
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, OfHashPartitionsByColumns) {
  const std::vector<std::string> words =
      in_epochs({"--partition-by", "HASH (id, content)", "--partitions", "8"});
  for (const char* place : {"tables-created", "epoch-committed:2"}) crash_at(place, words);
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("resumed"));
  EXPECT_EQ(difference("chunks", "chunks_new", kChunkColumns), "0");
  EXPECT_EQ(
      value("SELECT count(*) FROM chunks_new WHERE NOT satisfies_hash_partition("
            "'chunks_new'::regclass, 8, right(tableoid::regclass::text, 1)::int, id, content)"),
      "0");
}

TEST_F(ResumeTest, AfterItsEndTheSameCommandHasNothingToDo) {
  // The fence stands; it does not, but the journal says so.
  for (const char* place : {"attach-committed", "fence-lifted"}) {
    SCOPED_TRACE(place);
    crash_at(place, in_epochs({"--restart"}));
    const CommandResult result = copy(in_epochs());
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_TRUE(has_issue("already-copied"));
    EXPECT_EQ(json["target"]["rows"], kRows);
    EXPECT_EQ(json["rows"]["read"], 0);
    expect_copied();
    expect_free();
  }
}

TEST_F(ResumeTest, ReleaseGivesTheCopyUp) {
  crash_at("epoch-committed:2", in_epochs());
  CommandResult result = copy(in_epochs({"--release"}));
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["writes_refused"], false);
  execute(
      "INSERT INTO chunks (id, collection_id) VALUES (0, gen_random_uuid());"
      "DELETE FROM chunks WHERE id % 10 = 1");
  EXPECT_EQ(copy(in_epochs({"--no-fence"})).exit_code, 2);
  EXPECT_EQ(error_code(), "other-request");
  result = copy(in_epochs());
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "fence-lifted");
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  EXPECT_EQ(json["target"]["rows"], kRows - kRows / 10 + 1);
  expect_copied();
}

TEST_F(ResumeTest, AWayAroundTheFenceIsSeen) {
  crash_at("epoch-committed:2", in_epochs());
  execute(
      "ALTER TABLE chunks_h5 DISABLE TRIGGER pgfanout_fence_truncate; TRUNCATE chunks_h5; ALTER "
      "TABLE chunks_h5 ENABLE ALWAYS TRIGGER pgfanout_fence_truncate");
  const CommandResult result = copy(in_epochs());
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "source-changed");
  EXPECT_EQ(json["writes_refused"], true);
  // Restarted, the job copies the rows that are there now.
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  expect_copied();
}

TEST_F(ResumeTest, OneFenceAtATime) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(copy(in_epochs({"--into", "other"})).exit_code, 2);
  EXPECT_EQ(error_code(), "fenced-already");
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job"), "1");
  expect_fenced();
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  expect_free();
}

TEST_F(ResumeTest, WithoutAFenceThereIsOnlyRestart) {
  crash_at("epoch-committed:2", in_epochs({"--no-fence"}));
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
  EXPECT_EQ(copy(in_epochs({"--no-fence"})).exit_code, 2);
  EXPECT_EQ(error_code(), "unfinished-job");
  ASSERT_EQ(copy(in_epochs({"--no-fence", "--restart"})).exit_code, 0);
  expect_copied();
}

// So that the line "next" of status can be followed as it stands.
TEST_F(ResumeTest, ACallThatOnlyNamesTheTableGoesOnAsItWasBegun) {
  for (const char* layout : {"HASH (collection_id)", "none"}) {
    SCOPED_TRACE(layout);
    crash_at("epoch-committed:2",
             in_epochs({"--partition-by", layout, "--map", "id2=id", "--restart"}));
    // The harness would add --partitions.
    const CommandResult result = harness::run_command(
        {harness::pgfanout_binary(), "copy", "--source", dsn(), "--table", "chunks"});
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_NE(result.err.find("[resumed]"), std::string::npos) << result;
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE id2 = id"), std::to_string(kRows));
  }
}

TEST_F(ResumeTest, OtherSettingsAreRefusedOtherTuningIsNot) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(copy(in_epochs({"--map", "content=upper(content)"})).exit_code, 2);
  EXPECT_EQ(error_code(), "other-request");
  expect_fenced();
  const CommandResult result = copy({"--table", "chunks", "--writers", "3", "--readers", "1",
                                     "--memory", "16MB", "--commit-every", "leaf"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_GT(json["rows"]["resumed"], 0);
  expect_copied();
}

TEST_F(ResumeTest, RowsAreSetAsideOnce) {
  // A key that is NULL for two rows, and an expression that fails for two others.
  execute(
      "ALTER TABLE chunks ADD part int; UPDATE chunks SET part = id % 8 WHERE id % 2000 <> 3;"
      " UPDATE chunks SET metadata = jsonb_build_object('n', 'none') WHERE id % 2000 = 4");
  const std::vector<std::string> words =
      in_epochs({"--reject-limit", "4", "--key", "part", "--map", "n=(metadata->>'n')::int"});
  crash_at("lane-committed:20", words);
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["target"]["rows"], kRows - 4);
  EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT identity::text) || ' ' ||"
                  " count(DISTINCT code) FROM chunks_new_rejects"),
            "4 4 2");
}

TEST_F(ResumeTest, ValuesThatDifferEachTimeAreTakenOnce) {
  execute("CREATE SEQUENCE ids");
  const std::vector<std::string> words =
      in_epochs({"--map", "id=nextval('public.ids')", "--map", "legacy_id=id", "--map",
                 "u=gen_random_uuid()"});
  for (const char* place : {"lane-committed:20", "epoch-drained:2", "copy-committed"}) {
    crash_at(place, words);
  }
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || count(DISTINCT u) || ' '"
                  " || count(DISTINCT legacy_id) FROM chunks_new"),
            fmt::format("{0} {0} {0} {0}", kRows));
}

TEST_F(ResumeTest, ATargetThatHoldsRowsKeepsThem) {
  make_target();
  execute(
      "INSERT INTO chunks_new SELECT -1, collection_id, 'old', '{}', now(),"
      " abs(hashtext(collection_id::text)) % 8 FROM chunks LIMIT 500");
  crash_at("lane-committed:15", in_epochs({"--append"}));
  const CommandResult result = copy(in_epochs({"--append"}));
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE id = -1"), "500");
  execute("DELETE FROM chunks_new WHERE id = -1");
  expect_copied();
}

TEST_F(ResumeTest, ADamagedJournalIsRefused) {
  crash_at("epoch-committed:2", in_epochs());
  execute("UPDATE pgfanout.leaf_load SET digest = 'zz' WHERE leaf = 4");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "journal-damaged");
}

TEST_F(ResumeTest, AnotherDatabaseIsFilledTheSameWay) {
  const std::string other = server().create_database("resume_target");
  const std::vector<std::string> words = in_epochs({"--target", server().dsn(other)});
  crash_at("lane-committed:20", words);
  expect_fenced();
  ASSERT_EQ(copy(words).exit_code, 0);
  EXPECT_EQ(json["source"]["digest"], digest());
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM chunks_new"), std::to_string(kRows));
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
}

TEST_F(ResumeTest, ARoleWithJustTheDocumentedRights) {
  const std::string role = "mover_" + database;
  execute("CREATE ROLE " + role + " LOGIN; ALTER TABLE chunks OWNER TO " + role +
          "; DO $$ BEGIN FOR r IN 0..7 LOOP EXECUTE format('ALTER TABLE chunks_h%s OWNER TO " +
          role + "', r); END LOOP; END $$; GRANT USAGE, CREATE ON SCHEMA public TO " + role +
          "; GRANT CREATE ON DATABASE " + database + " TO " + role);
  const std::vector<std::string> words = in_epochs({"--source", dsn(role)});
  std::vector<std::string> argv = words;
  argv.insert(argv.begin(), "copy");
  harness::CommandOptions options;
  options.environment["PGFANOUT_CRASH_AT"] = "lane-committed:20";
  EXPECT_EQ(harness::pgfanout(argv, options).signal, SIGKILL);
  expect_fenced();
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, HostileNames) {
  execute(
      R"(CREATE SCHEMA "we'ird ""s%s"; CREATE FUNCTION "we'ird ""s%s".hashtext(text) RETURNS int)"
      R"( LANGUAGE sql IMMUTABLE AS 'SELECT 7')");
  const std::string name = "\"we'ird \"\"s%s\".\"ta\"\"b{}le\n%n" + std::string(50, 'x') + "\"";
  execute("CREATE TABLE " + name +
          " (\"i d\" int, \"c'ol\" text, PRIMARY KEY (\"i d\", \"c'ol\"))"
          " PARTITION BY HASH (\"c'ol\"); CREATE TABLE \"we'ird \"\"s%s\".\"lea'f\" PARTITION OF " +
          name + " FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO " + name +
          " SELECT n, 'row ' || n FROM generate_series(1, 1500) n");
  const std::vector<std::string> words = {"--table", name, "--commit-every", "500"};
  crash_at("lane-committed:3", words);
  EXPECT_EQ(sqlstate_of("DELETE FROM " + name), "55000");
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["target"]["rows"], 1500);
  execute("DELETE FROM " + name);
}

}  // namespace
}  // namespace pgfanout
