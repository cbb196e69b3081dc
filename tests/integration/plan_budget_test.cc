// The connections and locks that the servers have room for, and the notes that a person gets
// beforehand.
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using testing::succeeded;
using testing::TestServer;

class PlanBudgetTest : public testing::PlanFixture {
 protected:
  static TestServer make_server(std::vector<std::string> settings) {
    harness::ServerOptions options;
    options.settings = std::move(settings);
    return TestServer(options);
  }
  static Result<CopyPlan> plan_on(TestServer& on, const JobDescription& job) {
    return plan_between(job, on.dsn(), on.dsn());
  }
};

TEST_F(PlanBudgetTest, TenConnectionsAndFewLocks) {
  TestServer small = make_server({"max_connections = 10", "max_locks_per_transaction = 10",
                                  "max_wal_senders = 0", "wal_level = minimal"});
  small.execute("postgres", "CREATE TABLE t (id int PRIMARY KEY, c text UNIQUE)");
  const JobDescription job = job_for("t", "id % 100", 100);
  const auto made = plan_on(small, job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_GE(made->connections.readers, 1U);
  EXPECT_GE(made->connections.writers, 1U);
  EXPECT_LE(made->connections.readers + made->connections.writers, 4U);
  ASSERT_NE(find_issue(*made, "few-locks"), nullptr);
  EXPECT_THAT(find_issue(*made, "few-locks")->message, HasSubstr("303 locks"));
  EXPECT_THAT(find_issue(*made, "few-locks")->message,
              HasSubstr("max_locks_per_transaction (10) has room for 0 of them"));
  // 22 server processes of any kind have 220 places: more than these locks need the setting.
  EXPECT_THAT(find_issue(*made, "few-locks")->hint,
              HasSubstr("max_locks_per_transaction = 69 (today 10;"));
  EXPECT_THAT(find_issue(*made, "few-locks")->hint, HasSubstr(" 14 would do for as many"));
  EXPECT_NE(find_issue(*made, "wal-minimal"), nullptr);
  // Others' sessions take what is left.
  auto one = small.connect();
  auto two = small.connect();
  EXPECT_TRUE(succeeded(plan_on(small, job)));
  auto three = small.connect();
  expect_refused(plan_on(small, job), "no-connections", {"max_connections"});
}

TEST_F(PlanBudgetTest, ExplicitNumbersAreTakenOrRefused) {
  execute("CREATE TABLE t (id int)");
  JobDescription job = job_for("t", "id % 100", 100);
  job.readers = 3;
  job.writers = 7;
  const auto made = plan(job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->connections.readers, 3U);
  EXPECT_EQ(made->connections.writers, 7U);
  job.writers = 5000;
  expect_refused(plan(job), "no-connections", {"--writers", "would"});
}

TEST_F(PlanBudgetTest, LimitsOfRoleAndDatabase) {
  execute("CREATE TABLE t (id int)");
  const std::string role = "few_" + database;
  execute("CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 8; GRANT SELECT ON t TO " + role +
          "; GRANT CREATE ON SCHEMA public TO " + role);
  const std::string dsn = server().dsn(database, role);
  const auto made = plan_between(job_for("t", "id % 100", 100), dsn, dsn);
  ASSERT_TRUE(succeeded(made));
  EXPECT_LE(made->connections.readers + made->connections.writers, 5U);
  execute("ALTER DATABASE " + database + " CONNECTION LIMIT 4");
  expect_refused(plan_between(job_for("t", "id % 100", 100), dsn, dsn), "no-connections", {});
  execute("ALTER DATABASE " + database + " CONNECTION LIMIT -1");
}

TEST_F(PlanBudgetTest, PublicationsOfAllTablesPublishTheLoad) {
  execute("CREATE TABLE t (id int); CREATE PUBLICATION one FOR TABLE t");
  const auto before = plan(job_for("t", "id % 4"));
  ASSERT_TRUE(succeeded(before));
  EXPECT_EQ(find_issue(*before, "published"), nullptr);
  execute("CREATE PUBLICATION everything FOR ALL TABLES");
  const auto made = plan(job_for("t", "id % 4"));
  ASSERT_TRUE(succeeded(made));
  ASSERT_NE(find_issue(*made, "published"), nullptr);
  EXPECT_EQ(find_issue(*made, "published")->severity, Severity::warning);
  EXPECT_THAT(find_issue(*made, "published")->message, HasSubstr("publication everything"));
}

TEST_F(PlanBudgetTest, PeopleAreToldWhatIsNotCarried) {
  execute(
      "CREATE UNLOGGED TABLE t (id int PRIMARY KEY, c text CHECK (c <> '')); CREATE INDEX ON t (c);"
      "COMMENT ON TABLE t IS 'x'; CREATE STATISTICS s ON id, c FROM t");
  const auto made = plan(job_for("t", "id % 4"));
  ASSERT_TRUE(succeeded(made));
  const Issue* issue = find_issue(*made, "not-carried");
  ASSERT_NE(issue, nullptr);
  EXPECT_EQ(issue->severity, Severity::info);
  for (const char* part : {"indexes with the primary key (2)", "checks (1)",
                           "extended statistics (1)", "comments (1)", "owner"}) {
    EXPECT_THAT(issue->message, HasSubstr(part));
  }
  EXPECT_NE(find_issue(*made, "made-logged"), nullptr);
  EXPECT_THAT(find_issue(*made, "key-mode")->message, HasSubstr("must supply partition_key"));
}

}  // namespace
}  // namespace pgfanout
