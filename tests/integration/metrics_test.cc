// Metrics of real jobs, as Prometheus's own parser reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MetricsTest : public WindowFixture {
 protected:
  MetricsTest() {
    std::string name = ::testing::TempDir() + "metrics.XXXXXX";
    folder = mkdtemp(name.data());
  }
  ~MetricsTest() override { std::filesystem::remove_all(folder); }

  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Exit code of the check of a text.
  static int check(const std::string& path) {
    return harness::run_command(
               {"/usr/bin/python3", PGFANOUT_SOURCE_DIR "/tests/check_metrics.py", path})
        .exit_code;
  }

  std::string folder;
};

TEST_F(MetricsTest, ACopyLeavesItsFiguresInTheTextfile) {
  make_chunks(2000);
  const std::string file = folder + "/pgfanout.prom";
  ASSERT_EQ(copy({"--table", "chunks", "--metrics-file", file}).exit_code, 0);
  EXPECT_EQ(check(file), 0) << content(file);
  const std::string job = "{command=\"copy\",table=\"chunks\"";
  const std::string id = ",job_id=\"" + json["job"].get<std::string>() + "\",version=";
  EXPECT_THAT(content(file), AllOf(HasSubstr("\npgfanout_job_info" + job + id),
                                   HasSubstr("\npgfanout_rows_read_total" + job + "} 2000\n"),
                                   HasSubstr("\npgfanout_rows_written_total" + job + "} 2000\n"),
                                   HasSubstr("\npgfanout_leaves_committed" + job + "} 8\n"),
                                   HasSubstr("\npgfanout_job_exit_code" + job + "} 0\n"),
                                   HasSubstr(",stage=\"attach\",status=\"ok\"} ")));
  // The check is one that fails.
  std::ofstream(file, std::ios::app) << "pgfanout_rows_read_total{command=\"copy\"} many\n";
  EXPECT_EQ(check(file), 1);
}

TEST_F(MetricsTest, AJobIsServedWhileItRuns) {
  make_chunks(200);
  const std::string page = folder + "/page";
  // The hook scrapes the very job that waits for it; the port is told on standard error.
  const std::string scrape =
      "import re,sys,time,urllib.request as u\n"
      "port = ''\n"
      "while not port:\n"
      "    port = ''.join(re.findall(r'at port (\\d+)', open('" +
      folder +
      "/err').read()))\n"
      "    time.sleep(0.01)\n"
      "open('" +
      page + "','w').write(u.urlopen('http://127.0.0.1:'+port+'/metrics').read().decode())\n";
  std::ofstream(folder + "/scrape.py") << scrape;
  const std::string binary = harness::pgfanout_binary();
  const CommandResult result = harness::run_command(
      {"/bin/sh", "-c",
       binary +
           " copy --table chunks --source \"$1\" --metrics 127.0.0.1:0 --hook "
           "'stage_started=[ $PGFANOUT_STAGE != read-back ] || /usr/bin/python3 " +
           folder + "/scrape.py' 2>" + folder + "/err",
       "sh", dsn()});
  EXPECT_EQ(result.exit_code, 0) << content(folder + "/err");
  EXPECT_EQ(check(page), 0) << content(page);
  EXPECT_THAT(content(page), AllOf(HasSubstr("pgfanout_heartbeat_time_seconds{"),
                                   HasSubstr("pgfanout_stage_running_seconds{")));
}

}  // namespace
}  // namespace pgfanout::testing
