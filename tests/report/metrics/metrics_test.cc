// The metrics for Prometheus: every metric that docs/METRICS.md lists and no other, served or in a
// file.
#include "copier/report/metrics/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All that `pattern` finds, as "<first group> <second group>".
std::set<std::string> found(const std::string& text, const std::string& pattern) {
  std::set<std::string> all;
  const std::regex regex(pattern);
  for (std::sregex_iterator each(text.begin(), text.end(), regex), end; each != end; ++each) {
    all.insert((*each)[1].str() + " " + (*each)[2].str());
  }
  return all;
}

/// The response to one request of a scraper.
std::string scrape(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char piece[4096];
    for (ssize_t n = 0; (n = read(fd, piece, sizeof piece)) > 0;) {
      answer.append(piece, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() {
    std::string name = testing::TempDir() + "metrics.XXXXXX";
    folder = mkdtemp(name.data());
    options.command = "copy";
    options.table = "public.chunks";
  }
  ~MetricsTest() override { std::filesystem::remove_all(folder); }

  void open() {
    auto opened = Metrics::open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    metrics = std::move(*opened);
  }
  static StageSummary ended(const char* name) {
    StageSummary stage;
    stage.name = name;
    stage.seconds = 1.5;
    return stage;
  }
  /// A copy in the midst of it.
  void begin() {
    metrics->job_started("j1", counters);
    metrics->stage_started("preflight");
    metrics->stage_finished(ended("preflight"));
    metrics->stage_started("copy");
    metrics->stage_started("read-back");
    counters.leaves.open({"public.chunks_new_p00", "public.chunks_new_p01"});
    counters.leaves.add_rows(1, 5);
    counters.leaves.set_state(1, LeafState::committed);
    counters.rows_read = 7;
    counters.work_ns = 2'500'000'000;
  }

  std::string folder;
  MetricsOptions options;
  JobCounters counters;
  std::unique_ptr<Metrics> metrics;
};

TEST_F(MetricsTest, AreThoseThatTheirPageLists) {
  open();
  begin();
  WatchSample sample;
  for (int measure = 0; measure <= static_cast<int>(Measure::wal_waiting); ++measure) {
    sample.thresholds.push_back(
        {static_cast<Measure>(measure), WatchAction::warn, 1, 1, false, ""});
  }
  sample.waits = {{"source", "IO/DataFileRead", 2}};
  sample.session_waits = {SessionWait()};
  sample.deadline = DeadlineState{};
  sample.deadline->seconds_left_low = 1;
  metrics->sampled(sample);
  metrics->gate_reached("copy", true);
  std::string text = metrics->text();
  JobResult result;
  metrics->job_finished(result);
  text += metrics->text();
  const std::string page = content(PGFANOUT_SOURCE_DIR "/docs/METRICS.md");
  EXPECT_EQ(found(text, "# TYPE (pgfanout_[a-z_]+) ([a-z]+)"),
            found(page, "\\| `(pgfanout_[a-z_]+)` \\| ([a-z]+) \\|"));
}

TEST_F(MetricsTest, SayOfWhichJobAndWhere) {
  open();
  begin();
  const std::string text = metrics->text();
  const std::string job = R"({command="copy",table="public.chunks")";
  EXPECT_THAT(
      text,
      AllOf(
          HasSubstr("\npgfanout_rows_read_total" + job + "} 7\n"),
          HasSubstr("\npgfanout_leaf_rows" + job + ",leaf=\"public.chunks_new_p01\"} 5\n"),
          HasSubstr("\npgfanout_leaves_in_state" + job + ",state=\"committed\"} 1\n"),
          HasSubstr("\npgfanout_reader_seconds_total" + job + ",state=\"work\"} 2.5\n"),
          HasSubstr("\npgfanout_stage_seconds" + job + ",stage=\"preflight\",status=\"ok\"} 1.5\n"),
          HasSubstr("\npgfanout_stage_running_seconds" + job + ",stage=\"copy/read-back\"} "),
          HasSubstr("\npgfanout_job_info" + job + ",job_id=\"j1\",version="),
          Not(HasSubstr("exit_code"))));
}

TEST_F(MetricsTest, CountersThatAreGoneAreNotRead) {
  open();
  {
    JobCounters gone;
    metrics->job_started("j1", gone);
    metrics->stage_started("copy");
    gone.rows_read = 7;
    metrics->stage_finished(ended("copy"));
  }
  EXPECT_THAT(metrics->text(), HasSubstr("table=\"public.chunks\"} 7\n"));
  JobResult result;
  result.error = interrupted("lost", "the server went away");
  metrics->job_finished(result);
  EXPECT_THAT(metrics->text(), AllOf(HasSubstr("pgfanout_job_exit_code{command=\"copy\","
                                               "table=\"public.chunks\"} 3\n"),
                                     HasSubstr("table=\"public.chunks\"} 7\n")));
}

TEST_F(MetricsTest, EachHasOneUnit) {
  open();
  begin();
  WatchSample sample;
  sample.thresholds = {{Measure::cpu, WatchAction::slow, 80, 25, false, ""},
                       {Measure::lock_wait, WatchAction::warn, 5, 1.5, false, ""},
                       {Measure::disk_free, WatchAction::stop, 1e9, {}, false, ""},
                       {Measure::wal_waiting, WatchAction::warn, 1e9, 32e6, false, ""}};
  metrics->sampled(sample);
  const std::string job = R"({command="copy",table="public.chunks")";
  EXPECT_THAT(
      metrics->text(),
      AllOf(HasSubstr("\npgfanout_wal_waiting_bytes" + job + "} 32000000\n"),
            HasSubstr("\npgfanout_cpu_ratio" + job + "} 0.25\n"),
            HasSubstr("\npgfanout_cpu_limit_ratio" + job + ",action=\"slow\"} 0.8\n"),
            HasSubstr("\npgfanout_lock_wait_seconds" + job + "} 1.5\n"),
            HasSubstr("\npgfanout_disk_free_limit_bytes" + job + ",action=\"stop\"} 1000000000\n"),
            Not(HasSubstr("pgfanout_disk_free_bytes"))));
}

TEST_F(MetricsTest, SayWhetherTheFenceStandsAndWhatIsWaitedFor) {
  open();
  const std::string job = R"({command="copy",table="public.chunks")";
  EXPECT_THAT(metrics->text(), Not(HasSubstr("fence_standing"))) << "nobody knows yet";
  begin();
  WatchSample sample;
  SessionWait wait;
  wait.side = "target";
  wait.cause = "standby";
  wait.seconds = 12;
  sample.session_waits = {wait};
  metrics->sampled(sample);
  counters.fence_stands = true;
  EXPECT_THAT(metrics->text(), AllOf(HasSubstr("\npgfanout_fence_standing" + job + "} 1\n"),
                                     HasSubstr("\npgfanout_waiting_seconds" + job +
                                               ",side=\"target\",cause=\"standby\"} 12\n")));
  JobResult result;
  metrics->job_finished(result);
  EXPECT_THAT(metrics->text(), AllOf(HasSubstr("\npgfanout_fence_standing" + job + "} 0\n"),
                                     Not(HasSubstr("waiting_seconds"))));
}

TEST_F(MetricsTest, LeavesOfALargeTableAreASeriesOnlyIfAskedFor) {
  std::vector<std::string> names;
  for (int leaf = 0; leaf < 201; ++leaf) names.push_back("p" + std::to_string(leaf));
  counters.leaves.open(names);
  for (const bool each_leaf : {false, true}) {
    options.each_leaf = each_leaf;
    open();
    metrics->job_started("j1", counters);
    metrics->stage_started("copy");
    EXPECT_EQ(found(metrics->text(), "(leaf=\"p200\")(\\})").size(), each_leaf ? 1U : 0U);
    EXPECT_THAT(metrics->text(), HasSubstr("pgfanout_leaves_in_state{"));
  }
}

TEST_F(MetricsTest, TheFileOfAKilledCommandHasAnOldHeartbeatAndNoEnd) {
  options.file = folder + "/pgfanout.prom";
  const double before = static_cast<double>(std::time(nullptr));
  open();
  begin();
  metrics.reset();  // Without job_finished().
  const std::string text = content(options.file);
  const std::string name = "\npgfanout_heartbeat_time_seconds{";
  ASSERT_THAT(text, AllOf(HasSubstr(name), Not(HasSubstr("end_time"))));
  const double beat = std::stod(text.substr(text.find("} ", text.find(name)) + 2));
  EXPECT_GE(beat, before);
  EXPECT_LE(beat, static_cast<double>(std::time(nullptr)) + 1);
}

TEST_F(MetricsTest, AStageThatIsDoneTwiceIsOneSeries) {
  open();
  metrics->job_started("j1", counters);
  for (int i = 0; i < 2; ++i) {
    metrics->stage_started("preflight");
    metrics->stage_finished(ended("preflight"));
  }
  EXPECT_EQ(found(metrics->text(), "(stage=\"preflight\")(,)").size(), 1U);
}

TEST_F(MetricsTest, AreServed) {
  options.address = "127.0.0.1:0";
  open();
  ASSERT_NE(metrics->port(), 0);
  begin();
  EXPECT_THAT(scrape(metrics->port()),
              AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("pgfanout_rows_read_total{")));
  // The port is taken now.
  options.address = "127.0.0.1:" + std::to_string(metrics->port());
  const auto second = Metrics::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "metrics-address");
  EXPECT_EQ(second.error().consequence, Consequence::refuse);
}

TEST_F(MetricsTest, AreWrittenAsAWholeForAllToRead) {
  options.file = folder + "/pgfanout.prom";
  const mode_t mask = umask(0077);
  open();
  umask(mask);
  struct stat status {};
  ASSERT_EQ(stat(options.file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  const std::string first = content(options.file);
  EXPECT_THAT(first, HasSubstr("\npgfanout_heartbeat_time_seconds{"));
  begin();
  JobResult result;
  metrics->job_finished(result);
  EXPECT_TRUE(result.issues.empty());
  EXPECT_THAT(content(options.file), HasSubstr("\npgfanout_job_exit_code{"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(MetricsTest, AFileThatCannotBeWrittenIsRefused) {
  options.file = folder + "/none/pgfanout.prom";
  const auto refused_file = Metrics::open(options);
  ASSERT_FALSE(refused_file);
  EXPECT_EQ(refused_file.error().code, "metrics-file");
}

TEST_F(MetricsTest, AFileThatCannotBeWrittenAnyMoreIsToldAtTheEnd) {
  options.file = folder + "/pgfanout.prom";
  open();
  std::filesystem::remove_all(folder);
  JobResult result;
  metrics->job_finished(result);
  ASSERT_EQ(result.issues.size(), 1U);
  EXPECT_EQ(result.issues[0].code, "metrics-incomplete");
}

}  // namespace
}  // namespace pgfanout
