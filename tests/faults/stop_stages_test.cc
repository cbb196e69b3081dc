// Ctrl-C at every stage, with a clock on it. While a server works, the first one ends the command
// soon. While commits wait for a standby that is gone, while a lock is held, a session hangs, or a
// hook does, the first one says what is waited for, and the second one ends the command within two
// seconds. The same command then does the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// Two seconds are what a user is promised; the rest is for a build with sanitizers on a busy
/// machine.
constexpr double kAtOnce = 6;
constexpr double kSoon = 15;

class StopStagesTest : public WindowFixture {
 protected:
  static TestServer& server() {
    static TestServer own([] {
      harness::ServerOptions options;
      options.settings = {"synchronous_commit = on", "max_connections = 200"};
      return options;
    }());
    return own;
  }
  void SetUp() override {
    server_ = &server();
    database = server_->create_database("stop");
    make_table();
  }
  void TearDown() override { let_commit(true); }

  void make_table() {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY HASH (id);"
        "CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO t SELECT g, repeat('x', g % 50) FROM generate_series(1, 600) g;"
        "CREATE INDEX ON t (v); ANALYZE t");
  }
  void execute(const std::string& sql) const { server_->execute(database, sql); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return server_->value(database, sql);
  }

  /// Commits wait for a standby that is not there, or no longer.
  void let_commit(bool may) {
    server_->execute("postgres", std::string("ALTER SYSTEM SET synchronous_standby_names = '") +
                                     (may ? "'" : "gone'"));
    server_->execute("postgres", "SELECT pg_reload_conf()");
    ASSERT_TRUE(eventually([&] {
      return (server_->value("postgres", "SHOW synchronous_standby_names") == "") == may;
    }));
  }

  [[nodiscard]] std::vector<std::string> argv(std::vector<std::string> words) const {
    const std::string command = words.front();
    words.insert(words.begin() + 1, {"--source", server_->dsn(database), "--table", "t"});
    if (command != "rollback" && command != "cleanup" && command != "status") {
      words.insert(words.end(), {"--key", "id % 4", "--partitions", "4"});
    }
    return harness::pgfanout_argv(words);
  }
  CommandResult call(const std::vector<std::string>& words) const {
    return harness::run_command(argv(words));
  }
  /// Starts a command and lets it run as far as that place.
  void start(const std::vector<std::string>& words, const std::string& place = "",
             std::vector<std::string> more = {}) {
    harness::CommandOptions options;
    if (!place.empty()) {
      options.environment = {{"PGFANOUT_CRASH_AT", place}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
    }
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--json", "--progress", "plain"});
    all.insert(all.end(), more.begin(), more.end());
    command_ = std::make_unique<harness::BackgroundCommand>(argv(all), options);
    if (place.empty()) return;
    ASSERT_TRUE(command_->wait_until_stopped()) << place << command_->err();
  }
  void go_on() { command_->send_signal(SIGCONT); }
  void press() { command_->send_signal(SIGINT); }
  /// Waits until a session of the command waits for that event.
  [[nodiscard]] bool waits_for(const std::string& event) const {
    return eventually([&] {
      return value(
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                 " application_name LIKE 'pgfanout/%' AND wait_event = '" +
                 event + "'") != "0";
    });
  }
  /// Its end, and how long it took since the last signal.
  CommandResult ended(double at_most, const std::string& what) {
    const auto began = Clock::now();
    CommandResult result = command_->wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    EXPECT_LT(seconds, at_most) << what << result;
    std::printf("%-40s %.2f s\n", what.c_str(), seconds);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << what << result;
    return result;
  }
  /// It was interrupted, and its last line says whether writes are refused.
  void expect_interrupted(const CommandResult& result, const std::string& what) const {
    EXPECT_EQ(result.exit_code, 3) << what << result;
    EXPECT_EQ(json["status"], "interrupted") << what;
    const std::size_t line = result.err.rfind("\nsource: writes are ");
    ASSERT_NE(line, std::string::npos) << what << result;
    EXPECT_EQ(result.err.find('\n', line + 1), result.err.size() - 1) << what << result;
  }
  void expect_sessions_end(const std::string& what) const {
    EXPECT_TRUE(eventually([&] {
      return value(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                 " 'pgfanout/%'") == "0";
    })) << what;
  }
  /// A copy that is done leaves nothing to undo but its target.
  void undo() {
    EXPECT_THAT(call({"rollback"}).exit_code, AnyOf(0, 2));
    execute("DROP TABLE IF EXISTS t_new");
  }
  /// Twice: signals that come at once are one.
  void press_again() {
    EXPECT_TRUE(command_->wait_for_output("stopping: ")) << command_->err();
    press();
  }

  TestServer* server_ = nullptr;
  std::unique_ptr<harness::BackgroundCommand> command_;
};

struct Place {
  std::string name;
  std::vector<std::string> words;
};

const std::vector<std::string> kRun = {"run"};
const std::vector<std::string> kEpochs = {"copy", "--commit-every", "100"};

TEST_F(StopStagesTest, OnceWhileTheServerWorks) {
  for (const auto& [place, words] : std::vector<Place>{{"stage-recorded:2", kRun},
                                                       {"reader-batch", kEpochs},
                                                       {"lane-sent", kRun},
                                                       {"leaves-locked", kRun},
                                                       {"step-committed:3", kRun},
                                                       {"step-committed:9", kRun},
                                                       {"stage-recorded:5", kRun}}) {
    start(words, place);
    press();
    go_on();
    const CommandResult result = ended(kSoon, "once at " + place);
    expect_interrupted(result, place);
    EXPECT_THAT(result.err, HasSubstr("source: writes are refused")) << place;
    expect_sessions_end(place);
    const CommandResult again = call(words);
    EXPECT_EQ(again.exit_code, 0) << place << again;
    undo();
  }
}

TEST_F(StopStagesTest, TwiceWhileCommitsWaitForAStandby) {
  for (const auto& [place, words] : std::vector<Place>{{"job-journaled", kEpochs},
                                                       {"epoch-drained", kEpochs},
                                                       {"lane-finishing", kRun},
                                                       {"leaves-attached", kRun},
                                                       {"step-committed", kRun},
                                                       {"step-committed:9", kRun},
                                                       {"stage-recorded:4", kRun}}) {
    start(words, place);
    let_commit(false);
    go_on();
    ASSERT_TRUE(waits_for("SyncRep")) << place;
    press();
    EXPECT_TRUE(command_->wait_for_output(" of pid ")) << place << command_->err();
    EXPECT_TRUE(command_->running()) << place << command_->err();
    press_again();
    const CommandResult result = ended(kAtOnce, "twice at " + place);
    expect_interrupted(result, place);
    EXPECT_TRUE(has_issue("not-replicated")) << place << result;
    expect_sessions_end(place);
    let_commit(true);
    const CommandResult again = call(words);
    EXPECT_EQ(again.exit_code, 0) << place << again;
    undo();
  }
}

/// Its COMMIT took effect, so the command says so.
TEST_F(StopStagesTest, TwiceInTheSwapAndInItsRollback) {
  start({"run", "--swap"}, "swap-renamed");
  let_commit(false);
  go_on();
  ASSERT_TRUE(waits_for("SyncRep"));
  press();
  EXPECT_TRUE(command_->wait_for_output("waits for COMMIT of pid ")) << command_->err();
  press();
  CommandResult result = ended(kAtOnce, "twice in the swap");
  EXPECT_THAT(result.exit_code, AnyOf(0, 3)) << result;
  EXPECT_TRUE(has_issue("not-replicated")) << result;
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass"), "4");
  expect_sessions_end("swap");
  let_commit(true);
  EXPECT_EQ(call({"run", "--swap"}).exit_code, 0);
  start({"rollback"}, "names-taken-back");
  let_commit(false);
  go_on();
  ASSERT_TRUE(waits_for("SyncRep"));
  press();
  press_again();
  result = ended(kAtOnce, "twice in the rollback");
  EXPECT_THAT(result.exit_code, AnyOf(0, 3)) << result;
  expect_sessions_end("rollback");
  let_commit(true);
  EXPECT_EQ(call({"rollback"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass"), "2");
}

/// It refuses before it would wait, unless that is accepted.
TEST_F(StopStagesTest, TwiceWhileItResumes) {
  start(kRun, "lane-sent");
  press();
  go_on();
  ended(kSoon, "once, to be resumed");
  let_commit(false);
  start(kRun);
  EXPECT_EQ(ended(kSoon, "a resumed job refuses").exit_code, 2);
  EXPECT_TRUE(has_issue("standby-missing")) << json;
  start(kRun, "", {"--accept", "standby gone"});
  ASSERT_TRUE(waits_for("SyncRep")) << command_->err();
  press();
  EXPECT_TRUE(command_->wait_for_output("stopping: waits for ")) << command_->err();
  press();
  expect_interrupted(ended(kAtOnce, "twice while it resumes"), "resume");
  expect_sessions_end("resume");
}

TEST_F(StopStagesTest, WhileItWaitsForALock) {
  harness::Session blocker = server_->connect(database);
  const auto stop_behind_lock = [&](const std::string& name) {
    start({name});
    ASSERT_TRUE(waits_for("relation")) << name;
    press();
    ended(kSoon, "once, behind a lock: " + name);
    EXPECT_EQ(json["exit_code"], name == "verify" ? 4 : 3) << name << json;
    expect_sessions_end(name);
  };
  blocker.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
  stop_behind_lock("plan");
  blocker.execute("ROLLBACK; BEGIN; UPDATE t SET v = v WHERE id = 1");
  start({"run", "--lock-timeout", "60s"});
  ASSERT_TRUE(waits_for("relation"));
  ASSERT_TRUE(command_->wait_for_output("prepare: 0:0")) << command_->err();
  press();
  EXPECT_TRUE(command_->wait_for_output("stopping: waits for locks held by pid "))
      << command_->err();
  expect_interrupted(ended(kSoon, "once, behind a lock"), "lock");
  blocker.execute("ROLLBACK; BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
  stop_behind_lock("verify");
  stop_behind_lock("queries");
}

/// As in a write to a disk that hangs: the server's process does not even take the request.
TEST_F(StopStagesTest, TwiceWhileASessionHangs) {
  start(kRun, "stage-recorded:3");
  let_commit(false);
  go_on();
  ASSERT_TRUE(waits_for("SyncRep"));
  const std::string pid = value(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND"
      " application_name LIKE 'pgfanout/%' AND wait_event = 'SyncRep'");
  ASSERT_EQ(::kill(std::stoi(pid), SIGSTOP), 0);
  press();
  EXPECT_TRUE(command_->wait_for_output("of pid " + pid + " (pgfanout/")) << command_->err();
  press();
  const CommandResult result = ended(kAtOnce, "twice while a session hangs");
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_EQ(json["writes_refused"], true) << result;
  EXPECT_THAT(result.err, HasSubstr("source: writes are refused"));
  ASSERT_TRUE(has_issue("session-left")) << result;
  EXPECT_THAT(result.err, HasSubstr("pg_terminate_backend(pid) FROM unnest('{" + pid));
  EXPECT_THAT(result.out, HasSubstr("of pid " + pid + " (pgfanout/"));
  let_commit(true);
  start(kRun);
  EXPECT_TRUE(command_->wait_for_output("waiting up to 10 s for ")) << command_->err();
  EXPECT_THAT(command_->err(), HasSubstr(pid));
  ASSERT_EQ(::kill(std::stoi(pid), SIGCONT), 0);
  EXPECT_EQ(ended(60, "the next call").exit_code, 0) << json;
}

TEST_F(StopStagesTest, TwiceWhileAHookHangs) {
  start(kRun, "", {"--hook", "stage_started=trap '' TERM; echo started; sleep 600"});
  ASSERT_TRUE(command_->wait_for_output("at stage_started: started"));
  press();
  EXPECT_TRUE(command_->wait_for_output("stopping: waits for hooks that run, 60 s at most"))
      << command_->err();
  press();
  const CommandResult result = ended(kAtOnce, "twice while a hook hangs");
  EXPECT_EQ(result.exit_code, 3) << result;
  expect_sessions_end("hook");
}

TEST_F(StopStagesTest, AWatchEndsAtOnce) {
  start(kRun, "lane-sent");
  const auto stopped = std::move(command_);
  command_ = std::make_unique<harness::BackgroundCommand>(
      argv({"status", "--watch", "--progress", "plain"}));
  ASSERT_TRUE(command_->wait_for_output("copy"));
  press();
  const auto began = Clock::now();
  EXPECT_EQ(command_->wait().exit_code, 0);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(6));
  stopped->send_signal(SIGKILL);
}

}  // namespace
}  // namespace pgfanout::testing
