// The run command on a real server: stages, gates, what stops it, and how it is resumed.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/harness/temporary_file.h"
#include "tests/integration/held_copy.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;

class WindowTest : public testing::HeldCopyFixture {
 protected:
  void begin_before_the_swap() {
    begin_at("before the swap", [this] {
      make_chunks(500);
      ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
    });
  }
  [[nodiscard]] std::string state() const {
    return value("SELECT state FROM pgfanout.job ORDER BY started_at DESC LIMIT 1");
  }
};

TEST_F(WindowTest, RunsAllStagesUpToVerifyAndLeavesTheFence) {
  make_chunks(1000);
  const CommandResult result = window("run", {"--table", "chunks"});
  ASSERT_EQ(result.exit_code, 0) << result;
  std::vector<std::string> stages;
  for (const Json& stage : json["stages"]) {
    stages.push_back(stage["name"]);
    EXPECT_EQ(stage["status"], "ok");
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"preflight", "prepare", "copy", "index",
                                              "constraints", "analyze", "verify"}));
  EXPECT_EQ(json["target"]["rows"], 1000);
  EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
  expect_copied();
  EXPECT_THAT(result.err, HasSubstr("--release"));
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks"), "55000");
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks_new"), "55000");
  EXPECT_EQ(state(), "open");
  // The same command once more has nothing left to do.
  ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new"), "1000");
  // The job's own fence is no gap between the tables.
  const CommandResult verified = window("verify", {"--table", "chunks"});
  EXPECT_EQ(verified.exit_code, 0) << verified;
}

TEST_F(WindowTest, RunWithSwapPutsTheTargetInTheSourcesPlace) {
  make_chunks(300);
  const std::string oid = value("SELECT 'chunks'::regclass::oid");
  const CommandResult result = window("run", {"--table", "chunks", "--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(stage_status("swap"), "ok");
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "300");
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_p7"),
            value("SELECT count(*) FROM chunks WHERE partition_key = 7"));
  const std::string backup = value("SELECT backup_name FROM pgfanout.job");
  EXPECT_EQ(value("SELECT '" + backup + "'::regclass::oid"), oid);
  EXPECT_EQ(value("SELECT '" + backup + "' ~ '^chunks_backup_[0-9]{8}_[0-9]{6}$'"), "t");
  EXPECT_EQ(sqlstate_of("DELETE FROM " + backup), "55000") << "the backup stays fenced";
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 1"), "00000");
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id, partition_key) SELECT 1,"
                        " md5('1')::uuid, abs(hashtext(md5('1')::uuid::text)) % 8"),
            "00000");
  EXPECT_EQ(state(), "swapped");
}

TEST_F(WindowTest, GateWaitsForAPersonAndTheSameCommandGoesOn) {
  make_chunks(300);
  harness::TemporaryFile job(
      "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n"
      "[gates]\ncopy = \"confirm\"\nverify = \"confirm\"\n");
  const auto with_file = [&](std::vector<std::string> more) {
    more.insert(more.begin(), job.path());
    return window("run", std::move(more));
  };
  CommandResult result = with_file({});
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_EQ(json["status"], "waiting");
  EXPECT_EQ(json["waiting_at"], "copy");
  EXPECT_EQ(stage_status("index"), "");
  // Without a confirmation it goes on waiting, and does nothing twice.
  const std::string made = value("SELECT 'chunks_new'::regclass::oid");
  EXPECT_EQ(with_file({}).exit_code, 3);
  EXPECT_EQ(value("SELECT 'chunks_new'::regclass::oid"), made);
  EXPECT_EQ(with_file({"--confirm", "verify"}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-waiting"));
  ASSERT_EQ(window("status", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["standing"]["waiting_at"], "copy");
  EXPECT_EQ(stage_status("copy"), "waiting");
  const CommandResult early = window("swap", {job.path()});
  EXPECT_EQ(early.exit_code, 2);
  EXPECT_TRUE(has_issue("not-ready"));
  EXPECT_THAT(early.err, HasSubstr("stage index"));
  EXPECT_EQ(with_file({"--confirm", "copy"}).exit_code, 3);
  EXPECT_EQ(json["waiting_at"], "verify");
  result = with_file({"--confirm", "verify"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT 'chunks_new'::regclass::oid"), made);
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.stage WHERE confirmed_by LIKE 'postgres from %'"),
            "2");
}

TEST_F(WindowTest, OtherSettingsForTheSameJobAreRefusedWithWhatDiffers) {
  begin_before_the_swap();
  const CommandResult result = window("run", {"--table", "chunks", "--partitions", "50"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has_issue("other-request"));
  EXPECT_THAT(result.err, HasSubstr("was: partitions 8"));
  EXPECT_THAT(result.err, HasSubstr("now: partitions 50"));
  // Another carry-over would be swapped in.
  const CommandResult late = window("swap", {"--table", "chunks", "--accept", "view public.v"});
  EXPECT_EQ(late.exit_code, 2) << late;
  EXPECT_TRUE(has_issue("other-request"));
  EXPECT_THAT(late.err, HasSubstr("now: accept view public.v"));
}

TEST_F(WindowTest, StoppedCopyIsBegunAnewByTheSameCommand) {
  hold_copy(1000);
  harness::BackgroundCommand command(words("run", {"--json"}));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (value("SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND"
               " NOT granted") != "t" &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  command.send_signal(SIGINT);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.exit_code, 3) << stopped;
  EXPECT_THAT(stopped.err, HasSubstr("writes are refused"));
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks"), "55000");
  let_go();
  const CommandResult result =
      window("run", {"--table", "chunks", "--map", "content=public.hold(content)"});
  EXPECT_EQ(result.exit_code, 0) << result;
  expect_copied();
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job"), "1") << "one job, gone on with";
}

TEST_F(WindowTest, RowsThatAreNotUniqueAreNamedByPlace) {
  make_chunks(600);
  // The sample shows it to the plan, but for partial indexes, which the plan does not try.
  EXPECT_EQ(window("run", {"--table", "chunks", "--map", "id=id % 500"}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-unique")) << json.dump(1);
  EXPECT_EQ(stage_status("preflight"), "failed");
  execute(
      "ALTER TABLE chunks DROP CONSTRAINT chunks_pkey;"
      "CREATE UNIQUE INDEX part ON chunks (id, collection_id) WHERE id > 0");
  EXPECT_EQ(window("run", {"--table", "chunks", "--map", "id=id % 500"}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-unique")) << json.dump(1);
  EXPECT_EQ(stage_status("index"), "failed");
  const std::string all = json.dump();
  EXPECT_NE(all.find("ctid ("), std::string::npos) << all;
  EXPECT_EQ(all.find("Key ("), std::string::npos) << "no row's content";
}

TEST_F(WindowTest, SourceChangedBehindTheFenceIsNotSwapped) {
  begin_before_the_swap();
  execute(
      "ALTER TABLE chunks_h3 DISABLE TRIGGER ALL; DELETE FROM chunks_h3;"
      "ALTER TABLE chunks_h3 ENABLE ALWAYS TRIGGER pgfanout_fence");
  const CommandResult result = window("swap", {"--table", "chunks"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_TRUE(has_issue("fence-broken"));
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
  // Restarted, the job copies the rows that are there now.
  EXPECT_EQ(window("run", {"--table", "chunks", "--restart", "--swap"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM chunks"),
            value("SELECT rows FROM pgfanout.job WHERE state = 'swapped'"));
}

TEST_F(WindowTest, TargetChangedBehindTheFenceIsNotSwapped) {
  begin_before_the_swap();
  execute(
      "ALTER TABLE chunks_new DISABLE TRIGGER pgfanout_fence; DELETE FROM chunks_new WHERE id=1;"
      "ALTER TABLE chunks_new ENABLE ALWAYS TRIGGER pgfanout_fence");
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("fence-broken"));
}

TEST_F(WindowTest, ReleaseLiftsTheFenceAndTheJobCannotGoOn) {
  begin_before_the_swap();
  const CommandResult released = window("run", {"--table", "chunks", "--release"});
  EXPECT_EQ(released.exit_code, 0) << released;
  EXPECT_THAT(released.err, HasSubstr("writes are allowed"));
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 1"), "00000");
  EXPECT_EQ(window("run", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("fence-lifted"));
  EXPECT_EQ(window("plan", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("fence-lifted")) << "as run says";
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("fence-broken"));
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
}

TEST_F(WindowTest, StatusOfNoJobAndOfEveryState) {
  make_chunks(10);
  for (const char* command : {"status", "swap"}) {
    EXPECT_EQ(window(command, {"--table", "chunks"}).exit_code, 2);
    EXPECT_TRUE(has_issue("no-job"));
  }
  begin_before_the_swap();
  ASSERT_EQ(window("status", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["standing"]["state"], "open");
  EXPECT_EQ(json["standing"]["next"], "pgfanout swap");
  EXPECT_EQ(json["stages"].size(), 7U);
  ASSERT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0);
  ASSERT_EQ(window("status", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["standing"]["state"], "swapped");
  EXPECT_THAT(json["standing"]["backup"].get<std::string>(), HasSubstr("chunks_backup_"));
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0);
  ASSERT_EQ(window("status", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["standing"]["state"], "rolled back");
}

TEST_F(WindowTest, SecondCommandOnTheSameTargetIsRefused) {
  make_chunks(300);
  harness::Session other = server().connect(database);
  other.execute("SELECT pg_advisory_lock(hashtextextended('pgfanout public chunks_new', 0))");
  EXPECT_EQ(window("run", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("target-in-use"));
  EXPECT_EQ(window("status", {"--table", "chunks"}).exit_code, 2) << "reads only, finds no job";
  EXPECT_TRUE(has_issue("no-job"));
}

TEST_F(WindowTest, QueriesOfTheJobFileGateTheVerification) {
  make_chunks(500);
  const std::string head = "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n";
  const std::string good =
      "[[queries]]\nname = \"by collection\"\nsql = \"SELECT count(*) FROM {table} WHERE"
      " collection_id = md5('7')::uuid\"\n"
      "[[queries]]\nname = \"with key\"\nsql = \"SELECT id FROM {table} WHERE collection_id ="
      " md5('7')::uuid\"\ntarget_sql = \"SELECT id FROM {table} WHERE collection_id ="
      " md5('7')::uuid AND partition_key = abs(hashtext(md5('7')::uuid::text)) % 8\"\n"
      "max_partitions = 1\nruns = 3\n";
  const std::string bad =
      "[[queries]]\nname = \"unpruned\"\nsql = \"SELECT id FROM {table} WHERE collection_id ="
      " md5('7')::uuid\"\nmax_partitions = 1\n";
  harness::TemporaryFile failing(head + good + bad);
  const CommandResult result = window("run", {failing.path()});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_TRUE(has_issue("queries-failed"));
  EXPECT_THAT(result.err, HasSubstr("query unpruned: it reads 8 leaves, 1 are allowed"));
  EXPECT_EQ(stage_status("verify"), "failed");
  harness::TemporaryFile differing(
      head + "[[queries]]\nname = \"other\"\nsql = \"SELECT tableoid::regclass FROM {table}\"\n");
  const CommandResult other = window("run", {differing.path()});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("its result differs on the target"));
  harness::TemporaryFile passing(head + good);
  const CommandResult passed = window("run", {passing.path()});
  EXPECT_EQ(passed.exit_code, 0) << passed;
  EXPECT_THAT(passed.err, HasSubstr("query with key: 1 of 8 leaves read"));
}

TEST_F(WindowTest, ScopeFullComparesAllRowsInAWindowAsWell) {
  make_chunks(300);
  const std::string head = "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n";
  harness::TemporaryFile full(head + "[verify]\nscope = \"full\"\n");
  const CommandResult result = window("run", {full.path()});
  EXPECT_EQ(result.exit_code, 0) << result;
  ASSERT_TRUE(json.contains("differences")) << result;
  EXPECT_EQ(json["differences"]["missing"], 0);
  EXPECT_FALSE(has_issue("sample"));
}

}  // namespace
}  // namespace pgfanout
