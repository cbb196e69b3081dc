// The lines of the event stream, and the file that they go to.
#include "copier/report/events/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

/// Keeps the events.
class Kept : public EventSink {
 public:
  explicit Kept(std::vector<Event>& events) : events_(events) {}
  void take(const Event& event) override { events_.push_back(event); }
  void settle(JobResult&) override {}

 private:
  std::vector<Event>& events_;
};

class EventStreamTest : public testing::Test {
 protected:
  EventStreamTest() { stream.add(std::make_unique<Kept>(events)); }

  [[nodiscard]] Json json(std::size_t i) const { return Json::parse(events.at(i).line); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Event& event : events) all.emplace_back(event.name);
    return all;
  }
  static StageSummary ended(const char* name) {
    StageSummary stage;
    stage.name = name;
    stage.seconds = 1.5;
    return stage;
  }

  std::vector<Event> events;
  EventStream stream{"copy", milliseconds(0)};
  JobCounters counters;
};

TEST_F(EventStreamTest, EveryLineSaysWhatWhenAndOfWhichJob) {
  stream.job_started("j1", counters);
  stream.stage_started("copy");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(json(0)["event"], "job_started");
  EXPECT_EQ(json(1)["event"], "stage_started");
  EXPECT_EQ(json(1)["job"], "j1");
  EXPECT_EQ(json(1)["command"], "copy");
  EXPECT_EQ(json(1)["sequence"], 2);
  EXPECT_THAT(json(1)["time"].get<std::string>(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{3}Z"));
  EXPECT_EQ(events[1].line.find('\n'), std::string::npos);
}

TEST_F(EventStreamTest, TimeIsUtcToTheMillisecond) {
  using std::chrono::system_clock;
  EXPECT_EQ(utc_text(system_clock::time_point(milliseconds(1'700'000'000'007))),
            "2023-11-14T22:13:20.007Z");
  EXPECT_EQ(utc_text(system_clock::time_point(milliseconds(0))), "1970-01-01T00:00:00.000Z");
}

TEST_F(EventStreamTest, StagesWithinAStageBearItsName) {
  stream.job_started("j1", counters);
  stream.stage_started("copy");
  stream.stage_started("read-back");
  stream.stage_finished(ended("read-back"));
  stream.stage_finished(ended("copy"));
  EXPECT_EQ(json(2)["stage"], "copy/read-back");
  EXPECT_EQ(json(3)["stage"], "copy/read-back");
  EXPECT_EQ(json(4)["stage"], "copy");
  EXPECT_EQ(json(4)["seconds"], 1.5);
}

TEST_F(EventStreamTest, AStageThatMovedSomethingEndsWithItsFigures) {
  stream.job_started("j1", counters);
  stream.stage_started("copy");
  counters.rows_read = 7;
  stream.stage_finished(ended("copy"));
  stream.stage_started("attach");
  stream.stage_finished(ended("attach"));
  EXPECT_THAT(names(), ElementsAre("job_started", "stage_started", "progress", "stage_finished",
                                   "stage_started", "stage_finished"));
  EXPECT_EQ(json(2)["rows"]["read"], 7);
}

TEST_F(EventStreamTest, ProgressComesNotOftenerThanAsked) {
  EventStream slow("copy", std::chrono::hours(1));
  slow.add(std::make_unique<Kept>(events));
  slow.job_started("j1", counters);
  WatchSample sample;
  sample.speed = Speed::slow;
  sample.waits = {{"target", "Lock/relation", 3}};
  for (int i = 0; i < 5; ++i) slow.sampled(sample);
  EXPECT_THAT(names(), ElementsAre("job_started", "progress"));
  EXPECT_EQ(json(1)["speed"], "slow");
  EXPECT_EQ(json(1)["waits"][0]["event"], "Lock/relation");
}

TEST_F(EventStreamTest, ThresholdsGatesAndIssuesAreEvents) {
  ThresholdState threshold;
  threshold.measure = Measure::lock_wait;
  threshold.limit = 5;
  threshold.value = 7.5;
  threshold.is_crossed = true;
  stream.threshold_changed(threshold);
  stream.gate_reached("verify", true);
  Issue issue;
  issue.severity = Severity::warning;
  issue.code = "skew";
  issue.message = "bytes that are no UTF-8: \xff";
  stream.issue_found(issue);
  EXPECT_EQ(json(0)["measure"], "lock_wait");
  EXPECT_EQ(json(0)["value"], 7.5);
  EXPECT_EQ(json(0)["crossed"], true);
  EXPECT_EQ(json(1)["stage"], "verify");
  EXPECT_EQ(json(1)["waiting"], true);
  EXPECT_EQ(json(2)["severity"], "WARNING");
  EXPECT_EQ(json(2)["message"], "bytes that are no UTF-8: \xEF\xBF\xBD");
}

TEST_F(EventStreamTest, AWaitThatIsNoWorkIsAnEvent) {
  const SessionWait wait{"target", "standby", "IPC/SyncRep", "a standby",    7,
                         "writer", 2,         3.5,           "s1 is absent", "start it"};
  stream.wait_changed(wait, WaitChange::begins);
  EXPECT_EQ(json(0)["event"], "session_wait");
  EXPECT_EQ(json(0)["change"], "begins");
  EXPECT_EQ(json(0)["wait_event"], "IPC/SyncRep");
  EXPECT_EQ(json(0)["cause"], "standby");
  EXPECT_EQ(json(0)["seconds"], 3.5);
  EXPECT_EQ(json(0)["pid"], 7);
  EXPECT_EQ(json(0)["help"], "start it");
}

TEST_F(EventStreamTest, TheEndIsToldEvenIfNoJobBegan) {
  JobResult result("copy");
  result.error = refused("no-table", "there is no table t");
  stream.job_finished(result);
  EXPECT_EQ(json(0)["event"], "job_finished");
  EXPECT_EQ(json(0)["exit_code"], 2);
  EXPECT_EQ(json(0)["status"], "refused");
  EXPECT_EQ(json(0)["error"]["code"], "no-table");
  EXPECT_FALSE(json(0).contains("job"));
}

TEST_F(EventStreamTest, TheEndCarriesTheProof) {
  JobResult result("verify");
  result.job = "j1";
  result.verdict = Verdict::differs;
  result.source = TableSummary{"public.t", 3, "0123456789abcdef0123456789abcdef", "15.18"};
  std::get<VerifyResult>(result.details).differences = Differences{1, 2, 3, 4, {}};
  stream.job_finished(result);
  EXPECT_EQ(json(0)["verdict"], "differs");
  EXPECT_EQ(json(0)["source"]["digest"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(json(0)["differences"]["misplaced"], 4);
  EXPECT_EQ(json(0)["job"], "j1");
}

/// A folder that is gone with the test.
class EventFileTest : public testing::Test {
 protected:
  EventFileTest() {
    std::string name = testing::TempDir() + "events.XXXXXX";
    folder = mkdtemp(name.data());
  }
  ~EventFileTest() override { std::filesystem::remove_all(folder); }

  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder;
};

TEST_F(EventFileTest, LinesAreAppended) {
  const std::string path = folder + "/e";
  for (const char* line : {"{\"a\":1}", "{\"a\":2}"}) {
    auto file = EventFile::open(path);
    ASSERT_TRUE(file);
    (*file)->take({"progress", "", "", line});
    JobResult result;
    (*file)->settle(result);
    EXPECT_TRUE(result.issues.empty());
  }
  EXPECT_EQ(content(path), "{\"a\":1}\n{\"a\":2}\n");
}

TEST_F(EventFileTest, WhatCannotBeOpenedIsRefused) {
  mkfifo((folder + "/fifo").c_str(), 0600);
  for (const std::string& path : {folder, folder + "/none/e", folder + "/fifo"}) {
    const auto file = EventFile::open(path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code, "events-file");
    EXPECT_EQ(file.error().consequence, Consequence::refuse);
    EXPECT_THAT(file.error().message, HasSubstr(path));
  }
}

TEST_F(EventFileTest, AFullDiskIsToldOnceAtTheEnd) {
  auto file = EventFile::open("/dev/full");
  ASSERT_TRUE(file);
  (*file)->take({"progress", "", "", "{}"});
  (*file)->take({"progress", "", "", "{}"});
  JobResult result;
  (*file)->settle(result);
  ASSERT_EQ(result.issues.size(), 1U);
  EXPECT_EQ(result.issues[0].code, "events-incomplete");
  EXPECT_EQ(result.issues[0].severity, Severity::warning);
  EXPECT_EQ(result.issues[0].message,
            "2 of the job's events could not be written: No space left on device");
}

}  // namespace
}  // namespace pgfanout
