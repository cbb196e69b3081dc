// status --watch beside a job that another session runs: from a terminal, a log and a script.
#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "copier/cli/status_watch.h"
#include "copier/status/status_command.h"
#include "tests/cli/capture.h"
#include "tests/integration/held_copy.h"
#include "tests/integration/real_terminal.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::RealTerminal;
using testing::shell_words;

/// The command in this process, with looks that come every few milliseconds.
class QuickWatch {
 public:
  QuickWatch(const std::string& dsn, bool json) {
    call_.command = "status";
    call_.json = json;
    call_.job.source_dsn = dsn;
    call_.job.table = "chunks";
    thread_ = std::thread([this] {
      result_ = watch_status(call_, watch_job(call_.job, never_), {out_.fd(), err_.fd()}, never_,
                             std::chrono::milliseconds(10));
    });
  }
  ~QuickWatch() {
    never_.set();
    if (thread_.joinable()) thread_.join();
  }
  QuickWatch(const QuickWatch&) = delete;
  QuickWatch& operator=(const QuickWatch&) = delete;

  [[nodiscard]] bool wait_for_output(const std::string& text) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      if ((out() + err()).find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  std::optional<JobResult> wait() {
    thread_.join();
    return result_;
  }
  [[nodiscard]] std::string out() const { return out_.text(); }
  [[nodiscard]] std::string err() const { return err_.text(); }

 private:
  Invocation call_;
  Capture out_;
  Capture err_;
  Cancellation never_;
  std::optional<JobResult> result_;
  std::thread thread_;
};

class StatusWatchTest : public testing::HeldCopyFixture {
 protected:
  /// A copy that is held at its first row.
  harness::BackgroundCommand held(const std::string& command, std::vector<std::string> more = {}) {
    hold_copy(500);
    harness::BackgroundCommand job(words(command, std::move(more)));
    EXPECT_TRUE(job.wait_for_output(command == "run" ? "copy/copy: started" : "copy: started"))
        << job.err();
    return job;
  }
  static std::vector<Json> documents(const std::string& lines) {
    std::vector<Json> all;
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) all.push_back(Json::parse(line));
    return all;
  }
  /// Of the last look at the copy; no look may tell fewer than the one before.
  static std::uint64_t rows_of(const std::string& lines) {
    std::uint64_t rows = 0;
    for (const Json& look : documents(lines)) {
      if (look["progress"]["stage"] != "copy") continue;
      EXPECT_GE(look["progress"]["rows"], rows);
      EXPECT_LE(look["progress"]["rows"], 421);
      rows = look["progress"]["rows"];
    }
    return rows;
  }
};

TEST_F(StatusWatchTest, ShowsTheJobOfAnotherSessionInATerminal) {
  auto job = held("run");
  RealTerminal terminal(100, 30);
  terminal.type(shell_words(words("status", {"--watch"})) + "; echo ended with $?");
  ASSERT_TRUE(terminal.wait_for("▸ copy")) << terminal.screen();
  EXPECT_TRUE(terminal.wait_for("Lock/advisory")) << terminal.screen();
  EXPECT_THAT(terminal.screen(), HasSubstr("the job continues"));
  EXPECT_THAT(terminal.screen(), HasSubstr("pgfanout status "));
  let_go();
  EXPECT_EQ(job.wait().exit_code, 0);
  EXPECT_TRUE(terminal.wait_for("no session works on it; next: pgfanout swap"))
      << terminal.screen();
  EXPECT_TRUE(terminal.wait_for("▆ ▆ ▆   ✓ preflight")) << terminal.screen();
  terminal.press("C-c");
  EXPECT_TRUE(terminal.wait_for("ended with 0")) << terminal.screen();
  EXPECT_THAT(terminal.screen(), Not(HasSubstr("▸ copy")));
  EXPECT_TRUE(terminal.has_cursor());
}

TEST_F(StatusWatchTest, PrintsADocumentALookUntilTheJobIsOver) {
  auto job = held("copy");
  QuickWatch watch(dsn(), true);
  EXPECT_TRUE(watch.wait_for_output("\"stage\":\"copy\"")) << watch.out() << watch.err();
  // They connect one after the other.
  EXPECT_TRUE(watch.wait_for_output("\"readers\":2,")) << watch.out();
  let_go();
  EXPECT_EQ(job.wait().exit_code, 0);
  const auto seen = watch.wait();
  ASSERT_TRUE(seen);
  EXPECT_EQ(exit_code_of(*seen), 0);
  const std::vector<Json> looks = documents(watch.out());
  ASSERT_GE(looks.size(), 2U);
  EXPECT_EQ(looks.front()["progress"]["leaves"]["waiting"], testing::kLeaves) << looks.front();
  EXPECT_EQ(looks.back()["standing"]["state"], "done") << looks.back();
  EXPECT_EQ(looks.back()["progress"]["leaves"]["waiting"], 0) << looks.back();
}

TEST_F(StatusWatchTest, TellsEpochsThatAreInAsTheJournalHasThem) {
  make_chunks(20);
  map_by("PERFORM pg_sleep(0.005);");
  execute(
      "INSERT INTO chunks (id, collection_id, content) SELECT n, md5(n::text)::uuid,"
      " repeat('x', 700) FROM generate_series(1000, 1400) n; ANALYZE chunks");
  harness::BackgroundCommand job(words("copy", {"--commit-every", "64kB"}));
  EXPECT_TRUE(job.wait_for_output("copy: started")) << job.err();
  QuickWatch watch(dsn(), true);
  EXPECT_EQ(job.wait().exit_code, 0) << job.err();
  const auto seen = watch.wait();
  ASSERT_TRUE(seen);
  EXPECT_EQ(exit_code_of(*seen), 0);
  EXPECT_GT(rows_of(watch.out()), 0U) << watch.out();
}

TEST_F(StatusWatchTest, PrintsLinesForALogAndStopsQuietly) {
  auto job = held("copy");
  harness::BackgroundCommand watch(words("status", {"--watch"}));
  EXPECT_TRUE(watch.wait_for_output("copy: ")) << watch.err();
  watch.send_signal(SIGINT);
  const CommandResult seen = watch.wait();
  EXPECT_EQ(seen.exit_code, 0) << seen;
  EXPECT_EQ(seen.out, "");
  EXPECT_THAT(seen.err, Not(HasSubstr("error")));
  EXPECT_TRUE(job.running());
  let_go();
  EXPECT_EQ(job.wait().exit_code, 0);
}

TEST_F(StatusWatchTest, GoesOnWhenItsSessionIsLost) {
  auto job = held("copy");
  QuickWatch watch(dsn(), false);
  EXPECT_TRUE(watch.wait_for_output("copy: ")) << watch.err();
  // A termination between two looks would go unnoticed, so it is repeated.
  for (int end = 0; end < 1000 && watch.err().find("cannot look") == std::string::npos; ++end) {
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'pgfanout/status/%'");
  }
  EXPECT_TRUE(watch.wait_for_output("cannot read the state of the job: ")) << watch.err();
  EXPECT_TRUE(watch.wait_for_output("connected to the server again")) << watch.err();
  let_go();
  EXPECT_EQ(job.wait().exit_code, 0);
  const auto seen = watch.wait();
  ASSERT_TRUE(seen);
  EXPECT_EQ(exit_code_of(*seen), 0);
  ASSERT_NE(job_status_of(*seen), nullptr);
  EXPECT_EQ(job_status_of(*seen)->state, "done");
}

TEST_F(StatusWatchTest, RefusesAsStatusDoesWhereThereIsNoJob) {
  make_chunks(10);
  const CommandResult result = harness::run_command(words("status", {"--watch"}));
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("no job"));
}

TEST_F(StatusWatchTest, OneWhoLooksOnIsNotTakenForTheJob) {
  make_chunks(100);
  ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  execute("UPDATE pgfanout.job SET state = 'loading'");
  harness::BackgroundCommand watch(words("status", {"--watch", "--json"}));
  EXPECT_TRUE(watch.wait_for_output("\n")) << watch.err();
  const CommandResult status = window("status", {"--table", "chunks"});
  EXPECT_EQ(status.exit_code, 0) << status;
  EXPECT_FALSE(json["standing"].contains("active")) << json;
  watch.send_signal(SIGINT);
  EXPECT_EQ(watch.wait().exit_code, 0);
}

}  // namespace
}  // namespace pgfanout
