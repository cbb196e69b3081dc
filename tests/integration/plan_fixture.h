// Shared by the tests of planning: a database, connections like those of a job, and plans made over
// them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

using harness::TestServer;

/// The value, or a test failure with the error in it.
template <class T>
::testing::AssertionResult succeeded(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << result.error().code << ": " << result.error().message << " [" << result.error().where
         << "] " << result.error().hint << ' ' << result.error().sqlstate;
}

class PlanFixture : public ::testing::Test {
 protected:
  void SetUp() override { database = server().create_database("plan"); }

  static TestServer& server() { return TestServer::shared(); }
  void execute(const std::string& sql) const { server().execute(database, sql); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return server().value(database, sql);
  }

  static Connection open(const std::string& dsn) {
    auto connection = Connection::open({dsn, "pgfanout/test/plan", std::chrono::seconds(10)});
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(*connection);
  }
  [[nodiscard]] Connection open() const { return open(server().dsn(database)); }
  [[nodiscard]] Connection open_as(const std::string& role) const {
    return open(server().dsn(database, role));
  }

  static JobDescription job_for(const std::string& table, const std::string& key = "",
                                std::uint32_t partitions = 4) {
    JobDescription job;
    job.table = table;
    job.key = key;
    job.partitions = partitions;
    return job;
  }

  /// In one database, with the source in the transaction that a job holds open.
  [[nodiscard]] Result<CopyPlan> plan(const JobDescription& job) const {
    return plan_between(job, server().dsn(database), server().dsn(database));
  }
  [[nodiscard]] Result<CopyPlan> plan_to(const JobDescription& job,
                                         const std::string& other_database) const {
    return plan_between(job, server().dsn(database), server().dsn(other_database));
  }
  static Result<CopyPlan> plan_between(const JobDescription& job, const std::string& source_dsn,
                                       const std::string& target_dsn) {
    Connection source = open(source_dsn);
    Connection target = open(target_dsn);
    PGFANOUT_TRY(source.run("BEGIN ISOLATION LEVEL REPEATABLE READ"));
    auto made = make_copy_plan(job, source, target);
    if (made) PGFANOUT_TRY(source.run("COMMIT"));
    return made;
  }

  /// Expects a refusal with this code, and each of `words` in what a person reads.
  static void expect_refused(const Result<CopyPlan>& made, const std::string& code,
                             const std::vector<std::string>& words = {}) {
    ASSERT_FALSE(made) << "was planned, not refused with " << code;
    const Error& error = made.error();
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_EQ(error.consequence, Consequence::refuse);
    EXPECT_FALSE(error.hint.empty()) << error.message;
    for (const std::string& word : words) {
      EXPECT_THAT(error.message + " | " + error.where + " | " + error.hint,
                  ::testing::HasSubstr(word));
    }
  }

  [[nodiscard]] static const Issue* find_issue(const CopyPlan& made, const std::string& code) {
    for (const Issue& issue : made.issues) {
      if (issue.code == code) return &issue;
    }
    return nullptr;
  }

  /// Runs what the plan says a target needs, as the tool does: tables, then checks, then the rest.
  /// `load` runs in between.
  void build(const CopyPlan& made, const std::string& target_database,
             const std::string& load = "") const {
    auto session = server().connect(target_database);
    session.execute("SET search_path = ''");
    for (const std::string& statement : made.ddl.create) session.execute(statement);
    if (!load.empty()) session.execute(load);
    for (const auto& statements : made.ddl.checks) {
      for (const std::string& statement : statements) session.execute(statement);
    }
    for (const auto& statements : made.ddl.attach) {
      for (const std::string& statement : statements) session.execute(statement);
    }
    for (const std::string& statement : made.ddl.finish) session.execute(statement);
  }

  std::string database;
};

}  // namespace pgfanout::testing
