// A copy that is interrupted goes on: what was committed is not read or written again, nothing is
// lost or doubled, and the source stays as it was meanwhile. Or it is refused, with the reason.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using harness::BackgroundCommand;
using harness::TestServer;
using testing::CommandResult;
using testing::kRows;

class ResumeTest : public testing::ResumeFixture {};

TEST_F(ResumeTest, AnInterruptionRepeatsAtMostOneEpoch) {
  const std::string expected = reference();
  for (const char* place :
       {"tables-created", "reader-batch:9", "epoch-drained:3", "lane-finishing:30",
        "lane-commit-sent:21", "lane-committed:27", "epoch-committed:4", "copy-committed",
        "read-back", "leaves-attached"}) {
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
    const int most = std::stoi(value("SELECT max(rows) FROM pgfanout.epoch"));
    const int epochs = std::stoi(value("SELECT count(*) FROM pgfanout.epoch"));
    EXPECT_GE(epochs, 6);
    const int resumed = json["rows"]["resumed"];
    const int read = json["rows"]["read"];
    EXPECT_GE(resumed + read, kRows);
    EXPECT_LE(resumed + read - kRows, most);
    EXPECT_EQ(json["rows"]["written"].get<int>() + resumed, kRows);
  }
}

TEST_F(ResumeTest, WholeLeavesThatWereCommittedAreKept) {
  const std::string expected = reference();
  const std::vector<std::string> words = {"--table", "chunks",    "--commit-every",
                                          "leaf",    "--writers", "100"};
  std::vector<std::string> anew = words;
  anew.push_back("--restart");
  for (const char* place :
       {"reader-ended:3", "lane-taken:50", "lane-committed:40", "epoch-committed", "read-back"}) {
    SCOPED_TRACE(place);
    crash_at(place, anew);
    ASSERT_EQ(copy(words).exit_code, 0);
    EXPECT_EQ(digest(), expected);
    expect_copied();
    expect_free();
  }
}

TEST_F(ResumeTest, KilledFiveTimesInARow) {
  for (const char* place : {"tables-created", "reader-batch:5", "lane-committed:9",
                            "epoch-drained:2", "lane-commit-sent:3"}) {
    crash_at(place, in_epochs());
  }
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, AfterItsEndTheSameCommandHasNothingToDo) {
  for (const char* place : {"attach-committed", "fence-lifting", "fence-lifted"}) {
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
  execute("INSERT INTO chunks (id, collection_id) VALUES (0, gen_random_uuid())");
  result = copy(in_epochs());
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "fence-lifted");
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  EXPECT_EQ(json["target"]["rows"], kRows + 1);
  expect_copied();
}

TEST_F(ResumeTest, WaysAroundTheFenceAreSeen) {
  for (const char* sql :
       {"VACUUM FULL chunks_h3", "ALTER TABLE chunks ALTER content TYPE varchar(1000)",
        "ALTER TABLE chunks DETACH PARTITION chunks_h3",
        "ALTER TABLE chunks DISABLE TRIGGER pgfanout_fence; ALTER TABLE chunks ENABLE ALWAYS "
        "TRIGGER pgfanout_fence",
        "ALTER TABLE chunks_h5 DISABLE TRIGGER pgfanout_fence_truncate; TRUNCATE chunks_h5; ALTER "
        "TABLE chunks_h5 ENABLE ALWAYS TRIGGER pgfanout_fence_truncate"}) {
    SCOPED_TRACE(sql);
    crash_at("epoch-committed:2", in_epochs({"--restart"}));
    execute(sql);
    const CommandResult result = copy(in_epochs());
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), "source-changed");
    EXPECT_EQ(json["writes_refused"], true);
  }
  // Begun anew it copies what is there now.
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  EXPECT_EQ(difference("public.chunks", "public.chunks_new", kChunkColumns), "0");
}

TEST_F(ResumeTest, ReplicationRoleDoesNotPassTheFence) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_ANY_THROW(execute("SET session_replication_role = replica; DELETE FROM chunks_h1"));
  EXPECT_ANY_THROW(execute("SET session_replication_role = replica; TRUNCATE chunks_h1"));
  EXPECT_ANY_THROW(
      execute("COPY chunks (id, collection_id) FROM PROGRAM 'echo 1,"
              "00000000-0000-0000-0000-000000000000' (FORMAT csv)"));
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  expect_copied();
}

TEST_F(ResumeTest, OneFenceAtATime) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(copy(in_epochs({"--into", "other"})).exit_code, 2);
  EXPECT_EQ(error_code(), "fenced-already");
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job"), "1");
  expect_fenced();
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  ASSERT_EQ(copy(in_epochs({"--into", "other"})).exit_code, 0);
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, WithoutAFenceThereIsOnlyRestart) {
  crash_at("epoch-committed:2", in_epochs({"--no-fence"}));
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
  EXPECT_EQ(copy(in_epochs({"--no-fence"})).exit_code, 2);
  EXPECT_EQ(error_code(), "unfinished-job");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "unfinished-job");
  ASSERT_EQ(copy(in_epochs({"--no-fence", "--restart"})).exit_code, 0);
  expect_copied();
}

TEST_F(ResumeTest, OtherSettingsAreRefusedOtherTuningIsNot) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(copy(in_epochs({"--map", "content=upper(content)"})).exit_code, 2);
  EXPECT_EQ(error_code(), "other-request");
  EXPECT_EQ(copy(in_epochs({"--partitions", "50"})).exit_code, 2);
  EXPECT_EQ(error_code(), "other-request");
  expect_fenced();
  const CommandResult result = copy({"--table", "chunks", "--writers", "3", "--readers", "1",
                                     "--memory", "16MB", "--commit-every", "leaf"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_GT(json["rows"]["resumed"], 0);
  expect_copied();
}

TEST_F(ResumeTest, FirstInterruptFinishesTheEpoch) {
  execute(
      "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "pg_sleep(0.0005); RETURN $1; END $$");
  std::vector<std::string> words = in_epochs({"--map", "content=public.slow(content)"});
  std::vector<std::string> argv = words;
  argv.insert(argv.begin(), {"copy", "--source", dsn(), "--progress", "plain"});
  BackgroundCommand command(harness::pgfanout_argv(argv));
  for (int look = 0; look < 400; ++look) {
    if (value("SELECT to_regclass('pgfanout.epoch') IS NOT NULL") == "t" &&
        value("SELECT count(*) > 0 FROM pgfanout.epoch") == "t") {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  command.send_signal(SIGTERM);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.exit_code, 3) << stopped;
  EXPECT_NE(stopped.err.find("to go on"), std::string::npos) << stopped;
  EXPECT_NE(stopped.err.find("writes are refused"), std::string::npos) << stopped;
  // All leaves have the same epoch: nothing is to be repeated.
  EXPECT_EQ(value("SELECT count(DISTINCT epoch) FROM pgfanout.leaf_load"), "1");
  execute("CREATE OR REPLACE FUNCTION slow(text) RETURNS text LANGUAGE sql AS 'SELECT $1'");
  ASSERT_EQ(copy(words).exit_code, 0);
  EXPECT_EQ(json["rows"]["read"].get<int>() + json["rows"]["resumed"].get<int>(), kRows);
  expect_copied();
}

TEST_F(ResumeTest, LostConnectionsAreBegunAgainByTheSameCall) {
  execute(
      "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "pg_sleep(0.0005); RETURN $1; END $$");
  std::vector<std::string> argv = in_epochs({"--map", "content=public.slow(content)", "--json"});
  argv.insert(argv.begin(), {"copy", "--source", dsn()});
  BackgroundCommand command(harness::pgfanout_argv(argv));
  for (const char* role : {"writer", "writer", "reader"}) {
    for (int look = 0; look < 400; ++look) {
      const std::string ended =
          value(std::string("SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM "
                            "pg_stat_activity WHERE application_name LIKE 'pgfanout/%/") +
                role + "' AND datname = current_database() AND query LIKE 'COPY%' LIMIT 1) t");
      if (ended == "1") break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
  }
  const CommandResult result = command.wait();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("lost-and-again"), std::string::npos) << result;
  expect_copied();
  expect_free();
}

TEST_F(ResumeTest, RowsAreSetAsideOnce) {
  execute(
      "ALTER TABLE chunks ALTER content SET DEFAULT 'x'; UPDATE chunks SET metadata ="
      " jsonb_build_object('n', 'none') WHERE id % 1000 = 3");
  // A key that is NULL for twelve rows, and an expression that fails for them.
  for (const std::string how : {"key", "expression"}) {
    SCOPED_TRACE(how);
    std::vector<std::string> words = in_epochs({"--reject-limit", "12"});
    if (how == "key") {
      execute(
          "ALTER TABLE chunks ADD part int; UPDATE chunks SET part = id % 100 WHERE id % 1000"
          " <> 3");
      words.insert(words.end(), {"--key", "part"});
    } else {
      words.insert(words.end(), {"--map", "n=(metadata->>'n')::int"});
    }
    for (const char* place : {"lane-committed:20", "epoch-drained:4", "epoch-committed:5"}) {
      SCOPED_TRACE(place);
      std::vector<std::string> anew = words;
      anew.push_back("--restart");
      crash_at(place, anew);
      const CommandResult result = copy(words);
      ASSERT_EQ(result.exit_code, 0) << result;
      EXPECT_EQ(json["target"]["rows"], kRows - 12);
      EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT identity::text) FROM"
                      " chunks_new_rejects"),
                "12 12");
    }
    std::vector<std::string> too_few = in_epochs({"--restart", "--reject-limit", "11"});
    too_few.insert(too_few.end(), words.end() - 2, words.end());
    EXPECT_EQ(copy(too_few).exit_code, 2);
    expect_free();
    EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
  }
}

TEST_F(ResumeTest, VolatileValuesAreTakenOnce) {
  execute("CREATE SEQUENCE ids");
  const std::vector<std::string> words =
      in_epochs({"--map", "id=nextval('public.ids')", "--map", "legacy_id=id"});
  for (const char* place : {"lane-committed:20", "epoch-drained:3"}) {
    SCOPED_TRACE(place);
    std::vector<std::string> anew = words;
    anew.push_back("--restart");
    crash_at(place, anew);
    const CommandResult result = copy(words);
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' ||"
                    " count(DISTINCT legacy_id) FROM chunks_new"),
              fmt::format("{0} {0} {0}", kRows));
  }
}

TEST_F(ResumeTest, ATargetThatHoldsRowsKeepsThem) {
  execute(
      "CREATE TABLE chunks_new (LIKE chunks, partition_key int NOT NULL) PARTITION BY LIST"
      " (partition_key); DO $$ BEGIN FOR k IN 0..99 LOOP EXECUTE format('CREATE TABLE"
      " chunks_new_p%s PARTITION OF chunks_new FOR VALUES IN (%s)', lpad(k::text, 2, '0'), k);"
      " END LOOP; END $$; INSERT INTO chunks_new SELECT -1, collection_id, 'old', '{}', now(),"
      " abs(hashtext(collection_id::text)) % 100 FROM chunks LIMIT 500");
  for (const char* place : {"lane-committed:15", "epoch-committed:3"}) {
    SCOPED_TRACE(place);
    crash_at(place, in_epochs({"--append"}));
    const CommandResult result = copy(in_epochs({"--append"}));
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE id = -1"), "500");
    execute("DELETE FROM chunks_new WHERE id = -1");
    expect_copied();
    execute(
        "TRUNCATE chunks_new; INSERT INTO chunks_new SELECT -1, collection_id, 'old', '{}',"
        " now(), abs(hashtext(collection_id::text)) % 100 FROM chunks LIMIT 500");
  }
}

TEST_F(ResumeTest, AJobOfANewerVersionIsRefused) {
  crash_at("epoch-committed:2", in_epochs());
  execute("UPDATE pgfanout.journal_version SET version = 99");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "journal-newer");
  execute("UPDATE pgfanout.journal_version SET version = 3");
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

TEST_F(ResumeTest, ReplicationDoesNotPassTheFence) {
  harness::ServerOptions logical;
  logical.settings = {"wal_level = logical"};
  TestServer replica(logical);
  // Both ends of the subscription are databases of one server.
  const std::string from = replica.create_database("publisher");
  const std::string here = replica.create_database("subscriber");
  const std::string table =
      "CREATE TABLE t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY HASH (part);"
      "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)";
  replica.execute(from, table +
                            "; INSERT INTO t SELECT n, n FROM generate_series(1, 3000) n;"
                            "CREATE PUBLICATION p FOR TABLE t");
  replica.execute(from, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
  replica.execute(here, table + "; INSERT INTO t SELECT n, n FROM generate_series(1, 3000) n");
  harness::CommandOptions options;
  options.environment["PGFANOUT_CRASH_AT"] = "epoch-committed:1";
  const std::vector<std::string> words = {
      "copy",         "--source", replica.dsn(here), "--table", "t",     "--key", "part % 10",
      "--partitions", "10",       "--commit-every",  "1000",    "--json"};
  EXPECT_EQ(harness::pgfanout(words, options).signal, SIGKILL);
  const std::string publisher = fmt::format("host={} port={} dbname={} user=postgres",
                                            replica.socket_directory(), replica.port(), from);
  replica.execute(here, "CREATE SUBSCRIPTION s CONNECTION '" + publisher +
                            "' PUBLICATION p WITH (create_slot = false, slot_name = 's', copy_data "
                            "= false)");
  replica.execute(from, "INSERT INTO t VALUES (-1, 1)");
  for (int look = 0; look < 200; ++look) {
    if (replica.log().find("writes to public.t_0 are refused") != std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_NE(replica.log().find("writes to public.t_0 are refused"), std::string::npos);
  replica.execute(here, "ALTER SUBSCRIPTION s DISABLE");
  EXPECT_EQ(replica.value(here, "SELECT count(*) FROM t WHERE id = -1"), "0");
  const CommandResult result = harness::pgfanout(words);
  EXPECT_EQ(result.exit_code, 0) << result;
  // Afterwards it goes through.
  replica.execute(here, "ALTER SUBSCRIPTION s ENABLE");
  for (int look = 0; look < 200; ++look) {
    if (replica.value(here, "SELECT count(*) FROM t WHERE id = -1") == "1") break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(replica.value(here, "SELECT count(*) FROM t WHERE id = -1"), "1");
  replica.execute(here,
                  "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE)");
  replica.execute(here, "DROP SUBSCRIPTION s");
}

TEST_F(ResumeTest, ARoleWithJustTheDocumentedRights) {
  const std::string role = "mover_" + database;
  execute("CREATE ROLE " + role + " LOGIN; ALTER TABLE chunks OWNER TO " + role +
          "; DO $$ BEGIN FOR r IN 0..15 LOOP EXECUTE format('ALTER TABLE chunks_h%s OWNER TO " +
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
          " SELECT n, 'row ' || n FROM generate_series(1, 3000) n");
  const std::vector<std::string> words = {"--table",        name,  "--partitions", "10",
                                          "--commit-every", "1000"};
  crash_at("lane-committed:3", words);
  EXPECT_ANY_THROW(execute("DELETE FROM " + name));
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["target"]["rows"], 3000);
  execute("DELETE FROM " + name);
}

TEST_F(ResumeTest, AFullStandardErrorPipeDoesNotStopIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const std::string filler(4096, 'x');
  while (write(ends[1], filler.data(), filler.size()) > 0) {
  }
  fcntl(ends[1], F_SETFL, 0);
  std::vector<std::string> words = in_epochs({"--progress", "plain"});
  words.insert(words.begin(), {"copy", "--source", dsn()});
  harness::SpawnOptions options;
  options.stderr_fd = ends[1];
  harness::ChildProcess child(harness::pgfanout_argv(words), options);
  const auto status = child.wait(std::chrono::seconds(40));
  close(ends[0]);
  close(ends[1]);
  ASSERT_TRUE(status.has_value()) << "it waits for whoever reads its messages";
  EXPECT_EQ(status->exit_code, 0);
  expect_copied();
  expect_free();
}

}  // namespace
}  // namespace pgfanout
