// A window that was killed in its copy resumes behind the epochs that are committed.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

class WindowResumeTest : public testing::WindowFixture {};

TEST_F(WindowResumeTest, KilledCopyGoesOnWithItsEpoch) {
  make_chunks(1200);
  harness::CommandOptions options;
  options.environment["PGFANOUT_CRASH_AT"] = "lane-committed:20";
  const std::vector<std::string> words = {"--table",   "chunks", "--commit-every", "200", "--swap",
                                          "--writers", "8"};
  std::vector<std::string> killed = words;
  killed.insert(killed.begin(), {"run", "--source", dsn()});
  EXPECT_EQ(harness::pgfanout(killed, options).signal, SIGKILL);
  ASSERT_EQ(window("run", words).exit_code, 0) << json.dump(1);
  EXPECT_GT(json["rows"]["resumed"], 200);
  EXPECT_EQ(json["rows"]["resumed"].get<int>() + json["rows"]["written"].get<int>(), 1200);
  EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT id) FROM chunks"), "1200 1200");
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
}

}  // namespace
}  // namespace pgfanout
