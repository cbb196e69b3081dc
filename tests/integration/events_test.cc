// The event stream of real jobs, every line checked against its schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

/// Debian's own, for which its packages are.
constexpr const char* kPython = "/usr/bin/python3";

class EventsTest : public WindowFixture {
 protected:
  EventsTest() {
    std::string name = ::testing::TempDir() + "events.XXXXXX";
    folder = mkdtemp(name.data());
  }
  ~EventsTest() override { std::filesystem::remove_all(folder); }

  /// Runs a command with an event stream; its lines are in `events`, checked.
  CommandResult told(const std::string& command, std::vector<std::string> arguments) {
    const std::string file = folder + "/" + std::to_string(++files) + ".jsonl";
    arguments.insert(arguments.end(), {"--events", file});
    CommandResult result = window(command, std::move(arguments));
    read(file);
    return result;
  }
  void read(const std::string& file) {
    const CommandResult checked =
        harness::run_command({kPython, PGFANOUT_SOURCE_DIR "/tests/check_events.py", file});
    EXPECT_EQ(checked.exit_code, 0) << checked;
    events.clear();
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) events.push_back(Json::parse(line));
    ASSERT_FALSE(events.empty());
  }
  /// Every stage_finished: the stage and its status.
  [[nodiscard]] std::vector<std::string> stages() const {
    std::vector<std::string> all;
    for (const Json& event : events) {
      if (event["event"] == "stage_finished") {
        all.push_back(event["stage"].get<std::string>() + " " + event["status"].get<std::string>());
      }
    }
    return all;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Json& event : events) all.push_back(event["event"]);
    return all;
  }

  std::string folder;
  int files = 0;
  std::vector<Json> events;
};

TEST_F(EventsTest, ACopyIsToldFromItsStartToItsDigests) {
  make_chunks(2000);
  ASSERT_EQ(told("copy", {"--table", "chunks"}).exit_code, 0);
  EXPECT_THAT(stages(),
              ElementsAre("preflight ok", "prepare ok", "copy ok", "read-back ok", "attach ok"));
  EXPECT_EQ(events.front()["event"], "job_started");
  EXPECT_EQ(events.front()["job"], json["job"]);
  const Json& end = events.back();
  EXPECT_EQ(end["exit_code"], 0);
  EXPECT_EQ(end["verdict"], "match");
  EXPECT_EQ(end["source"], json["source"]);
  EXPECT_EQ(end["target"]["digest"], json["target"]["digest"]);
  std::uint64_t read = 0;
  for (const Json& event : events) {
    if (event["event"] == "progress" && event["stage"] == "copy") read = event["rows"]["read"];
  }
  EXPECT_EQ(read, 2000U);
}

TEST_F(EventsTest, AWindowTellsItsGate) {
  make_chunks(200);
  const std::string job = folder + "/job.toml";
  std::ofstream(job) << "target.partitions = 8\n[gates]\ncopy = \"confirm\"\n";
  ASSERT_EQ(told("run", {job, "--table", "chunks"}).exit_code, 3);
  EXPECT_THAT(stages(), Contains("copy/read-back ok"));
  ASSERT_THAT(names(), Contains("gate"));
  EXPECT_EQ(events.back()["status"], "waiting");
  EXPECT_EQ(events.back()["waiting_at"], "copy");
  EXPECT_EQ(events.back()["writes_refused"], true);

  ASSERT_EQ(told("run", {job, "--table", "chunks", "--swap", "--confirm", "copy"}).exit_code, 0);
  EXPECT_EQ(events[1]["event"], "gate");
  EXPECT_EQ(events[1]["waiting"], false);
  EXPECT_EQ(stages().back(), "swap ok");
  ASSERT_EQ(told("rollback", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(events.back()["command"], "rollback");
}

TEST_F(EventsTest, DifferencesAreCountedButNoRowIsNamed) {
  make_chunks(200);
  ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  execute("UPDATE chunks_new SET content = 'planted' WHERE id = 7");
  EXPECT_EQ(told("verify", {"--table", "chunks", "--data"}).exit_code, 1);
  EXPECT_EQ(events.back()["status"], "differences");
  EXPECT_EQ(events.back()["differences"]["changed"], 1);
  for (const Json& event : events) EXPECT_EQ(event.dump().find("planted"), std::string::npos);
}

TEST_F(EventsTest, ARefusalIsToldEvenThoughNoJobBegan) {
  EXPECT_EQ(told("copy", {"--table", "nothing"}).exit_code, 2);
  EXPECT_THAT(names(), ElementsAre("job_finished"));
  EXPECT_EQ(events.back()["error"]["code"], json["issues"][0]["code"]);
}

TEST_F(EventsTest, AnInterruptedJobSaysSo) {
  make_chunks(500);
  const std::string file = folder + "/e.jsonl";
  // The job waits for the hook, so it cannot end before the signal.
  harness::BackgroundCommand job(harness::pgfanout_argv(
      {"run", "--source", dsn(), "--table", "chunks", "--events", file, "--hook",
       "stage_started=echo at $PGFANOUT_STAGE; [ $PGFANOUT_STAGE != prepare ] || sleep 600"}));
  ASSERT_TRUE(job.wait_for_output("at prepare"));
  job.send_signal(SIGTERM);
  ASSERT_TRUE(job.wait_for_output("stopping: "));
  job.send_signal(SIGTERM);
  const CommandResult result = job.wait();
  EXPECT_EQ(result.exit_code, 3) << result;
  read(file);
  EXPECT_EQ(events.back()["exit_code"], 3);
  EXPECT_EQ(events.back()["status"], "interrupted");
}

TEST_F(EventsTest, TheCheckOfEventsFindsWhatIsWrong) {
  const std::string head =
      R"({"event":"stage_started","time":"2026-01-31T02:03:04.567Z","sequence":1,)";
  const std::vector<std::string> wrong = {
      "not JSON",
      head + R"("command":"copy"})",                                // No stage.
      head + R"("command":"copy","stage":"copy","row":"secret"})",  // No event has such a member.
      head + R"("command":"copy","stage":"copy"})",                 // Not the end of a job.
      R"({"event":"stage_started","time":"now","sequence":1,"command":"copy","stage":"copy"})"};
  for (const std::string& line : wrong) {
    const std::string file = folder + "/wrong.jsonl";
    std::ofstream(file) << line << "\n";
    EXPECT_EQ(harness::run_command({kPython, PGFANOUT_SOURCE_DIR "/tests/check_events.py", file})
                  .exit_code,
              1)
        << line;
  }
}

}  // namespace
}  // namespace pgfanout::testing
