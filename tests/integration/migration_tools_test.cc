// The tables of migration tools, as the tools make them: half-done is no-go, else it is said what
// has to be recorded there.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandResult;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Json;

class MigrationToolsTest : public testing::WindowFixture {
 protected:
  static std::vector<std::string> job(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"--table", "app.t", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"});
    return more;
  }
  /// The first issue with that code, as "SEVERITY message | hint".
  [[nodiscard]] std::string told(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] != code) continue;
      return issue["severity"].get<std::string>() + " " + issue["message"].get<std::string>() +
             " | " + issue.value("hint", "");
    }
    return "";
  }
};

TEST_F(MigrationToolsTest, HalfDoneIsNoGoElseItIsSaidWhatToRecord) {
  struct Case {
    std::string table;
    std::string columns;
    std::string row;        ///< As it is between migrations.
    std::string half_done;  ///< SET ...; empty: the tool cannot tell.
    std::string says;
    std::string cure;
    std::string record;
  };
  const std::vector<Case> cases = {
      {"schema_migrations", "version bigint PRIMARY KEY, dirty boolean NOT NULL", "(12, false)",
       "dirty = true", "golang-migrate keeps its state in app.schema_migrations", "force 12",
       "(version 12)"},
      {"alembic_version", "version_num varchar(32) PRIMARY KEY", "('ae1027a6acf')", "", "", "",
       "(revision ae1027a6acf)"},
      {"flyway_schema_history",
       "installed_rank int PRIMARY KEY, version varchar(50), success boolean NOT NULL",
       "(1, '1', true), (2, '2.1', true)", "success = false WHERE installed_rank = 2",
       "Flyway keeps its state in app.flyway_schema_history", "flyway repair", "(version 2.1)"},
      {"databasechangeloglock",
       "id int PRIMARY KEY, locked boolean NOT NULL, lockgranted timestamp, lockedby varchar(255)",
       "(1, false, NULL, NULL)", "locked = true, lockedby = 'ci', lockgranted = now()",
       "it is locked by ci since", "liquibase release-locks", ""},
      {"databasechangelog", "id varchar(255), author varchar(255), orderexecuted int NOT NULL",
       "('one', 'a', 1), ('two', 'a', 2)", "", "", "", "(change set two)"},
      {"django_migrations", "id bigint PRIMARY KEY, app varchar(255), name varchar(255)",
       "(1, 'app', '0001_initial')", "", "", "", "(migration app.0001_initial)"},
      {"schema_migrations", "version varchar PRIMARY KEY", "('20260101000000')", "", "", "",
       "Rails (or dbmate) keeps its state in app.schema_migrations (version 20260101000000)"},
  };
  execute(
      "CREATE SCHEMA app; CREATE TABLE app.t (id bigint PRIMARY KEY, v text);"
      "INSERT INTO app.t SELECT n, 'v' FROM generate_series(1, 50) n");
  for (const Case& each : cases) {
    SCOPED_TRACE(each.table + " " + each.columns);
    const std::string table = "app." + each.table;
    execute("CREATE TABLE " + table + " (" + each.columns + "); INSERT INTO " + table + " VALUES " +
            each.row);
    EXPECT_EQ(window("plan", job()).exit_code, 0) << json;
    EXPECT_EQ(told("migration-unfinished"), "");
    if (each.record.empty()) {
      EXPECT_EQ(told("migrations"), "");
    } else {
      EXPECT_THAT(told("migrations"), HasSubstr(each.record));
      EXPECT_THAT(told("migrations"), HasSubstr("docs/APPLICATION.md"));
    }
    if (!each.half_done.empty()) {
      execute("UPDATE " + table + " SET " + each.half_done);
      EXPECT_EQ(window("plan", job()).exit_code, 2);
      EXPECT_THAT(told("migration-unfinished"), HasSubstr("ERROR"));
      EXPECT_THAT(told("migration-unfinished"), HasSubstr(each.says));
      EXPECT_THAT(told("migration-unfinished"), HasSubstr(each.cure));
      EXPECT_EQ(window("plan", job({"--accept", "migrations in " + table})).exit_code, 0);
      EXPECT_THAT(told("migration-unfinished"), HasSubstr("WARNING"));
    }
    execute("DROP TABLE " + table);
  }
}

TEST_F(MigrationToolsTest, TheApplicationsPathIsSearchedAndNoOther) {
  execute(
      "CREATE SCHEMA app; CREATE SCHEMA ops; CREATE SCHEMA strangers;"
      "CREATE TABLE app.t (id bigint PRIMARY KEY, v text);"
      "CREATE TABLE ops.schema_migrations (version bigint, dirty boolean);"
      "CREATE TABLE strangers.schema_migrations (version bigint, dirty boolean);"
      "INSERT INTO ops.schema_migrations VALUES (3, true);"
      "INSERT INTO strangers.schema_migrations VALUES (4, true)");
  EXPECT_EQ(window("plan", job()).exit_code, 0) << json;
  EXPECT_EQ(window("plan", job({"--search-path", "app, ops"})).exit_code, 2);
  EXPECT_THAT(told("migration-unfinished"), HasSubstr("ops.schema_migrations"));
}

TEST_F(MigrationToolsTest, WhatMayNotBeReadIsSaid) {
  const std::string role = "planner_" + database;
  execute(
      "CREATE ROLE " + role + " LOGIN; CREATE SCHEMA app; GRANT USAGE, CREATE ON SCHEMA app TO " +
      role + "; GRANT CREATE ON DATABASE " + database + " TO " + role +
      "; CREATE TABLE app.t (id bigint PRIMARY KEY, v text); ALTER TABLE app.t OWNER TO " + role +
      "; CREATE TABLE app.alembic_version (version_num varchar(32));"
      "INSERT INTO app.alembic_version VALUES ('x')");
  EXPECT_EQ(window("plan", job({"--source", dsn(role)})).exit_code, 0) << json;
  EXPECT_THAT(told("migrations"), HasSubstr("Alembic keeps its state in app.alembic_version, which "
                                            "may not be read"));
  EXPECT_THAT(told("migrations"), HasSubstr("GRANT SELECT ON app.alembic_version TO " + role));
}

}  // namespace
}  // namespace pgfanout
