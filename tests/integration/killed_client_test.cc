// A command right after a client was killed: it waits for the session that the client left, and
// says what it waits for. One whose client is there, or stopped, is named instead.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class KilledClientTest : public testing::ResumeFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM"
        " generate_series(1, 400) i; CREATE TABLE n (id int, v text, partition_key int NOT NULL)"
        " PARTITION BY LIST (partition_key); DO $$ BEGIN FOR k IN 0..3 LOOP EXECUTE format('CREATE"
        " TABLE n%s PARTITION OF n FOR VALUES IN (%s)', k, k); END LOOP; END $$");
  }
  [[nodiscard]] std::vector<std::string> argv(const std::string& command,
                                              std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {command,  "--json", "--source", dsn(),    "--table",      "t",
                                    "--into", "n",      "--key",    "id % 4", "--partitions", "4"};
    all.insert(all.end(), more.begin(), more.end());
    return harness::pgfanout_argv(all);
  }
  CommandResult run(const std::string& command, std::vector<std::string> more = {}) {
    harness::BackgroundCommand process(argv(command, std::move(more)));
    return ended(process);
  }
  /// Side by side, since each of them waits.
  [[nodiscard]] std::vector<std::pair<std::string, harness::BackgroundCommand>> start_all(
      const std::vector<std::string>& commands) const {
    std::vector<std::pair<std::string, harness::BackgroundCommand>> all;
    for (const std::string& command : commands) {
      all.emplace_back(command, harness::BackgroundCommand(argv(command)));
    }
    return all;
  }
  /// Its result; the document is in `json`.
  CommandResult ended(harness::BackgroundCommand& process) {
    CommandResult result = process.wait();
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }
  [[nodiscard]] std::string holder() const {
    return value(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND"
        " application_name LIKE 'pgfanout/%/target'");
  }
  /// Kills a copy whose session waits for a lock that this test holds: it does not notice at once.
  /// Returns the server's process; with `is_stopped` it notices nothing, as in a write to a disk
  /// that hangs.
  pid_t kill_in_a_lock_wait(bool is_stopped = false) {
    blocker_ = std::make_unique<harness::Session>(dsn());
    blocker_->execute("BEGIN; LOCK TABLE n0 IN ROW EXCLUSIVE MODE");
    harness::BackgroundCommand command(argv("copy"));
    EXPECT_TRUE(eventually([this] {
      return value(
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                 " application_name LIKE 'pgfanout/%/target' AND wait_event_type = 'Lock'") == "1";
    }));
    const pid_t backend = std::stoi(holder());
    if (is_stopped && ::kill(backend, SIGSTOP) != 0) ADD_FAILURE() << "cannot stop " << backend;
    command.send_signal(SIGKILL);
    EXPECT_EQ(command.wait().signal, SIGKILL);
    return backend;
  }
  void let_go() { blocker_.reset(); }

 private:
  std::unique_ptr<harness::Session> blocker_;
};

TEST_F(KilledClientTest, TheNextCommandWaitsForTheSessionThatIsLeft) {
  const pid_t backend = kill_in_a_lock_wait(true);
  harness::BackgroundCommand release(argv("copy", {"--release"}));
  EXPECT_TRUE(release.wait_for_output("waiting-for-session"));
  ASSERT_EQ(::kill(backend, SIGCONT), 0);
  CommandResult result = ended(release);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("waiting-for-session")) << result;
  EXPECT_NE(result.out.find("Lock/relation"), std::string::npos) << result;
  let_go();
  execute("TRUNCATE n; DELETE FROM pgfanout.job");
  // The same command resumes.
  kill_in_a_lock_wait();
  harness::BackgroundCommand again(argv("copy"));
  let_go();
  result = again.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("t", "n", "id, v"), "0");
}

TEST_F(KilledClientTest, OneThatDoesNotEndMayBeTriedAgain) {
  const pid_t backend = kill_in_a_lock_wait(true);
  for (auto& [command, process] : start_all({"copy", "rollback", "swap", "cleanup"})) {
    const CommandResult result = ended(process);
    EXPECT_EQ(result.exit_code, 3) << command << result;
    EXPECT_EQ(error_code(), "target-in-use") << command;
    EXPECT_EQ(json["status"], "interrupted") << command;
    EXPECT_NE(result.out.find("pg_terminate_backend(" + std::to_string(backend) + ")"),
              std::string::npos)
        << result;
  }
  harness::BackgroundCommand last(argv("copy"));
  EXPECT_EQ(run("status").exit_code, 0) << "it reads only";
  ASSERT_EQ(::kill(backend, SIGCONT), 0);
  let_go();
  EXPECT_EQ(last.wait().exit_code, 0);
}

TEST_F(KilledClientTest, AClientThatIsStoppedIsNamed) {
  harness::CommandOptions options;
  options.environment = {{"PGFANOUT_CRASH_AT", "leaves-locked"}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
  harness::BackgroundCommand stopped(argv("copy"), options);
  ASSERT_TRUE(stopped.wait_until_stopped());
  const std::string backend = holder();
  for (auto& [command, process] : start_all({"copy", "rollback", "swap", "cleanup", "run"})) {
    const CommandResult result = ended(process);
    EXPECT_EQ(result.exit_code, 2) << command << result;
    EXPECT_EQ(error_code(), "target-in-use") << command;
    EXPECT_LT(result.seconds, 5) << command;
    for (const std::string& word :
         {"backend " + backend, std::string("idle in transaction"), std::string("since ")}) {
      EXPECT_NE(result.out.find(word), std::string::npos) << word << result;
    }
  }
  stopped.send_signal(SIGKILL);
  EXPECT_EQ(stopped.wait().signal, SIGKILL);
  EXPECT_EQ(run("copy").exit_code, 0);
}

TEST_F(KilledClientTest, OfTwoAtOnceOneIsRefused) {
  harness::BackgroundCommand one(argv("copy", {"--commit-every", "50"}));
  harness::BackgroundCommand other(argv("copy", {"--commit-every", "50"}));
  const int first = one.wait().exit_code;
  const int second = other.wait().exit_code;
  EXPECT_TRUE((first == 0 && second == 2) || (first == 2 && second == 0)) << first << second;
  EXPECT_EQ(difference("t", "n", "id, v"), "0");
}

}  // namespace
}  // namespace pgfanout
