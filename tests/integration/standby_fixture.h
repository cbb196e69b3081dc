// Shared by the tests with a real standby: a server, its standby s1, and a small table.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/command.h"
#include "tests/harness/temporary_file.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

class StandbyFixture : public ::testing::Test {
 protected:
  using Json = nlohmann::json;

  static void SetUpTestSuite() {
    harness::ServerOptions options;
    options.settings = {"synchronous_commit = on", "wal_keep_size = 256MB", "archive_mode = on"};
    primary_ = std::make_unique<harness::TestServer>(options);
    options.primary = primary_.get();
    options.name = "s1";
    standby_ = std::make_unique<harness::TestServer>(options);
  }
  static void TearDownTestSuite() {
    standby_.reset();
    primary_.reset();
  }

  void SetUp() override {
    commits_wait_for("");
    start_standby();
    database_ = primary().create_database("waits");
    execute(
        "CREATE TABLE chunks (id int PRIMARY KEY, content text) PARTITION BY HASH (id);"
        "CREATE TABLE chunks_0 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE chunks_1 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO chunks SELECT n, 'text ' || n FROM generate_series(1, 600) n; ANALYZE chunks");
  }

  static harness::TestServer& primary() { return *primary_; }
  static harness::TestServer& standby() { return *standby_; }
  [[nodiscard]] std::string dsn(const std::string& user = "postgres") const {
    return primary().dsn(database_, user);
  }
  void execute(const std::string& sql) const { primary().execute(database_, sql); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return primary().value(database_, sql);
  }

  static bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  static void commits_wait_for(const std::string& names) {
    auto session = primary().connect();
    session.execute("SET synchronous_commit = local");
    session.execute("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'");
    session.execute("SELECT pg_reload_conf()");
    ASSERT_TRUE(eventually(
        [&] { return primary().value("postgres", "SHOW synchronous_standby_names") == names; }));
  }
  static std::string streaming() {
    return primary().value("postgres",
                           "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
  }
  static void start_standby() {
    if (!standby().running()) standby().start();
    ASSERT_TRUE(eventually([] { return streaming() == "1"; })) << standby().log();
  }
  static void kill_standby() {
    standby().stop_immediately();
    ASSERT_TRUE(eventually([] {
      return primary().value("postgres", "SELECT count(*) FROM pg_stat_replication") == "0";
    }));
  }

  [[nodiscard]] std::vector<std::string> words(const std::string& command,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {command, "--source", dsn(), "--table", "chunks"};
    if (command != "status" && command != "rollback") {
      all.insert(all.end(), {"--key", "id % 4", "--partitions", "4", "--progress", "plain"});
    }
    all.insert(all.end(), more.begin(), more.end());
    return harness::pgfanout_argv(all);
  }
  /// The document of a command that is run to its end.
  [[nodiscard]] Json document(const std::string& command,
                              std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    const harness::CommandResult result = harness::run_command(words(command, std::move(more)));
    Json json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return json;
  }
  static Json issue_of(const Json& document, const std::string& code) {
    for (const Json& issue : document["issues"]) {
      if (issue["code"] == code) return issue;
    }
    return {};
  }

  /// A command that has come to that place and is stopped there.
  [[nodiscard]] harness::BackgroundCommand stopped_at(const std::string& place,
                                                      const std::string& command,
                                                      std::vector<std::string> more) const {
    harness::CommandOptions options;
    options.environment = {{"PGFANOUT_CRASH_AT", place}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
    harness::BackgroundCommand started(words(command, std::move(more)), options);
    EXPECT_TRUE(started.wait_until_stopped()) << place << started.err();
    return started;
  }
  /// Kills the standby while the command is stopped, lets that go on, and waits until it is told
  /// here and by status.
  void expect_wait_is_told(harness::BackgroundCommand& command) const {
    kill_standby();
    command.send_signal(SIGCONT);
    ASSERT_TRUE(command.wait_for_output("waits: ")) << command.err();
    EXPECT_THAT(
        command.err(),
        ::testing::AllOf(
            ::testing::HasSubstr("for a synchronous standby to confirm a commit (IPC/Sync"),
            ::testing::HasSubstr("missing: s1"), ::testing::HasSubstr("start the standby")));
    const Json waits = document("status")["standing"]["session_waits"];
    ASSERT_EQ(waits.size(), 1U);
    EXPECT_EQ(waits[0]["cause"], "standby");
    EXPECT_EQ(waits[0]["event"], "IPC/SyncRep");
    EXPECT_GE(waits[0]["seconds"].get<double>(), 3.0);
    EXPECT_EQ(value("SELECT wait_event FROM pg_stat_activity WHERE pid = " +
                    std::to_string(waits[0]["pid"].get<int>())),
              "SyncRep");
    EXPECT_THAT(waits[0]["detail"].get<std::string>(), ::testing::HasSubstr("missing: s1"));
  }
  /// The standby comes back, and the command ends as if nothing had been.
  static void expect_goes_on(harness::BackgroundCommand& command) {
    start_standby();
    const harness::CommandResult ended = command.wait();
    EXPECT_EQ(ended.exit_code, 0) << ended;
    EXPECT_THAT(ended.err, ::testing::HasSubstr("waited: "));
  }

 private:
  static inline std::unique_ptr<harness::TestServer> primary_;
  static inline std::unique_ptr<harness::TestServer> standby_;
  std::string database_;
};

}  // namespace pgfanout::testing
