// The end of a copy: leaves are attached and the job is done only once both sides have been judged,
// and a target that the role may not lock is proven only if nothing was written meanwhile.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class CopyJudgedTest : public testing::ResumeFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM"
        " generate_series(1, 400) i");
  }
  [[nodiscard]] static std::vector<std::string> words(std::vector<std::string> more = {}) {
    std::vector<std::string> all = {"--table", "t", "--key", "id % 4", "--partitions", "4"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// A copy that stops at that place until `meanwhile` is done.
  CommandResult copy_with(const std::string& place, std::vector<std::string> more,
                          const std::function<void()>& meanwhile, const std::string& user) {
    std::vector<std::string> arguments = {"copy", "--json", "--source", dsn(user)};
    for (const std::string& word : words(std::move(more))) arguments.push_back(word);
    harness::CommandOptions options;
    options.environment = {{"PGFANOUT_CRASH_AT", place}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
    harness::BackgroundCommand command(harness::pgfanout_argv(arguments), options);
    EXPECT_TRUE(command.wait_until_stopped()) << place;
    meanwhile();
    command.send_signal(SIGCONT);
    CommandResult result = command.wait();
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }
  /// The source's lock is lost, and the source is written to.
  void change_source() const {
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'pgfanout/%/source'");
    execute("UPDATE t SET v = 'changed' WHERE id = 1");
  }
  [[nodiscard]] std::string attached(const std::string& target) const {
    return value("SELECT count(*) FROM pg_inherits WHERE inhparent = '" + target + "'::regclass");
  }
  [[nodiscard]] std::string state_of(const std::string& target) const {
    return value("SELECT state FROM pgfanout.job WHERE target_name = '" + target +
                 "' ORDER BY started_at DESC LIMIT 1");
  }
  CommandResult command(const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {name, "--json", "--source", dsn()};
    for (const std::string& word : words(std::move(more))) arguments.push_back(word);
    CommandResult result = harness::pgfanout(arguments);
    json = Json::parse(result.out, nullptr, false);
    return result;
  }
  /// A target of the user's own, which `role` may read and fill.
  std::string make_foreign_target() const {
    const std::string role = database + "_mover";
    execute(
        "CREATE TABLE n (id int, v text, partition_key int NOT NULL) PARTITION BY LIST"
        " (partition_key); DO $$ BEGIN FOR k IN 0..3 LOOP EXECUTE format('CREATE TABLE n%s"
        " PARTITION OF n FOR VALUES IN (%s)', k, k); END LOOP; END $$; CREATE ROLE " +
        role + " LOGIN; GRANT CREATE ON DATABASE " + database + " TO " + role +
        "; GRANT SELECT, UPDATE ON t TO " + role +
        "; GRANT SELECT, INSERT ON n, n0, n1, n2, n3 TO " + role);
    return role;
  }
};

TEST_F(CopyJudgedTest, WithoutAFenceNothingIsAttachedBeforeTheSourceIsJudged) {
  for (const std::string place : {"read-back", "leaves-attached"}) {
    SCOPED_TRACE(place);
    const std::vector<std::string> more = {"--no-fence", "--restart"};
    const CommandResult result = copy_with(
        place, more, [this] { change_source(); }, "postgres");
    EXPECT_EQ(result.exit_code, 4) << result;
    EXPECT_TRUE(has_issue("source-may-have-changed"));
    EXPECT_TRUE(has_issue("not-attached"));
    EXPECT_EQ(attached("t_new"), "0");
    EXPECT_EQ(state_of("t_new"), "loading");
    ASSERT_EQ(command("status").exit_code, 0);
    EXPECT_EQ(json["standing"]["state"], "loading");
    EXPECT_NE(json["standing"]["next"].get<std::string>().find("copy --restart"),
              std::string::npos);
    EXPECT_EQ(command("copy", {"--no-fence"}).exit_code, 2);
    EXPECT_EQ(error_code(), "unfinished-job");
    EXPECT_EQ(command("swap").exit_code, 2);
  }
  EXPECT_EQ(command("rollback").exit_code, 0);
  EXPECT_EQ(value("SELECT to_regclass('t_new') IS NULL"), "t");
  ASSERT_EQ(command("copy", {"--no-fence"}).exit_code, 0);
  EXPECT_EQ(state_of("t_new"), "done");
  EXPECT_EQ(attached("t_new"), "4");
}

/// Killed between the judgement and the commit, and after it.
TEST_F(CopyJudgedTest, KilledAroundTheJudgement) {
  const std::vector<std::string> fenced = words({"--into", "f"});
  crash_at("source-judged", fenced);
  expect_sessions_end();
  EXPECT_EQ(state_of("f"), "loading");
  EXPECT_EQ(attached("f"), "0");
  ASSERT_EQ(copy(fenced).exit_code, 0);
  EXPECT_EQ(state_of("f"), "done");
  EXPECT_EQ(attached("f"), "4");
  const std::vector<std::string> unfenced = words({"--into", "u", "--no-fence"});
  crash_at("source-judged", unfenced);
  expect_sessions_end();
  EXPECT_EQ(state_of("u"), "loading");
  EXPECT_EQ(attached("u"), "0");
  EXPECT_EQ(copy(unfenced).exit_code, 2);
  crash_at("attach-committed", words({"--into", "u", "--no-fence", "--restart"}));
  expect_sessions_end();
  EXPECT_EQ(state_of("u"), "done");
  EXPECT_EQ(attached("u"), "4");
}

TEST_F(CopyJudgedTest, RowsInATargetOfTheUsersOwnAreNotDone) {
  make_foreign_target();
  execute("INSERT INTO n VALUES (-4, 'mine', 0)");
  const CommandResult result = copy_with(
      "read-back", {"--into", "n", "--no-fence", "--append"}, [this] { change_source(); },
      "postgres");
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_TRUE(has_issue("not-proven"));
  EXPECT_EQ(state_of("n"), "loading");
  EXPECT_EQ(value("SELECT count(*) FROM n"), "401");
}

/// Two servers: the copy's own transactions are none of the source's.
TEST_F(CopyJudgedTest, AQuietSourceThatWasWrittenTo) {
  harness::TestServer target;
  const std::vector<std::string> more = {"--assume-quiet", "--target", target.dsn("postgres")};
  for (const char* place : {"read-back", "leaves-attached"}) {
    std::vector<std::string> anew = more;
    anew.push_back("--restart");
    const CommandResult result = copy_with(
        place, anew, [this] { execute("UPDATE t SET v = 'changed' WHERE id = 1"); }, "postgres");
    EXPECT_EQ(result.exit_code, 4) << place << result;
    EXPECT_EQ(target.value("postgres",
                           "SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent ="
                           " 'public.t_new'::regclass) || (SELECT state FROM pgfanout.job)"),
              "0loading")
        << place;
  }
}

TEST_F(CopyJudgedTest, ATargetThatMayNotBeLocked) {
  const std::string role = make_foreign_target();
  const std::vector<std::string> more = {"--into", "n", "--no-fence"};
  for (const char* place : {"leaves-locked", "read-back"}) {
    SCOPED_TRACE(place);
    const CommandResult result = copy_with(
        place, more,
        [this] { execute("DELETE FROM n3 WHERE id = 3; INSERT INTO n VALUES (3, 'v3', 3)"); },
        role);
    EXPECT_EQ(result.exit_code, 4) << result;
    EXPECT_EQ(error_code(), "target-not-locked");
    EXPECT_NE(result.out.find("GRANT UPDATE ON public.n TO " + role), std::string::npos) << result;
    EXPECT_EQ(state_of("n"), "loading");
    execute("TRUNCATE n; DELETE FROM pgfanout.job");
  }
  CommandResult result = copy_with(
      "leaves-locked", more, [] {}, role);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("target-not-locked")) << "it is told, although nothing was written";
  // The hint's statement is enough, whatever version it is.
  execute("TRUNCATE n; DELETE FROM pgfanout.job; GRANT UPDATE ON n TO " + role);
  std::string refused;
  result = copy_with(
      "leaves-locked", more,
      [&] { refused = sqlstate_of("SET lock_timeout = '100ms'; DELETE FROM n3 WHERE id = 3"); },
      role);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(refused, "55P03");
  EXPECT_FALSE(has_issue("target-not-locked"));
  execute("TRUNCATE n; DELETE FROM pgfanout.job; REVOKE UPDATE ON n FROM " + role +
          "; GRANT DELETE ON n0, n1, n2, n3 TO " + role);
  result = copy_with(
      "leaves-locked", more,
      [&] { refused = sqlstate_of("SET lock_timeout = '100ms'; DELETE FROM n3 WHERE id = 3"); },
      role);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(refused, "55P03");
  EXPECT_FALSE(has_issue("target-not-locked"));
}

/// The same command again says which copy that was, when it was done, and what comes next.
TEST_F(CopyJudgedTest, ACopyThatIsDoneSaysSo) {
  ASSERT_EQ(copy(words()).exit_code, 0);
  const std::string job = value("SELECT job FROM pgfanout.job");
  const std::string when = value("SELECT date_trunc('second', finished_at) FROM pgfanout.job");
  const auto expect_done = [&](const std::vector<std::string>& arguments, const std::string& word) {
    const CommandResult result = copy(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), "target-not-empty");
    for (const std::string& each :
         {job, when, std::string("400 rows"), std::string("pgfanout verify"), word}) {
      EXPECT_NE(result.out.find(each), std::string::npos) << each << result;
    }
  };
  expect_done(words(), "--restart");
  expect_done(words({"--no-fence"}), "done at");
  expect_done(words({"--dry-run"}), "done at");
  expect_done({"--table", "t", "--key", "(id + 1) % 4", "--partitions", "4"}, "other settings: ");
  expect_done({"--table", "t", "--key", "id % 4", "--partitions", "8"}, "other settings: ");
  execute("INSERT INTO t_new VALUES (0, 'later', 0)");
  expect_done(words(), "proven then");
  execute("CREATE TABLE s (id int PRIMARY KEY, v text); INSERT INTO s VALUES (1, 'a')");
  expect_done({"--table", "s", "--into", "t_new", "--key", "id % 4", "--partitions", "4"},
              "of another source: ");
  EXPECT_EQ(command("rollback").exit_code, 2);
  EXPECT_NE(json.dump().find("done at " + when), std::string::npos) << json.dump(1);
  // An empty target is no copy that is done.
  execute("TRUNCATE t_new");
  EXPECT_EQ(copy(words()).exit_code, 0);
  execute("DROP TABLE t_new");
  EXPECT_EQ(copy(words()).exit_code, 0);
}

}  // namespace
}  // namespace pgfanout
