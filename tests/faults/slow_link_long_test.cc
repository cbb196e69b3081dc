// A copy over a link of 5 MB/s with a delay of 50 ms: slow is not stalled, and the time that is
// said to be left is about the time that it takes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "tests/faults/slow_link.h"
#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

class SlowLinkLongTest : public CopyFixture {};

double seconds_of(const std::string& clock) {
  const std::size_t colon = clock.find(':');
  return 60 * std::strtod(clock.substr(0, colon).c_str(), nullptr) +
         std::strtod(clock.substr(colon + 1).c_str(), nullptr);
}

TEST_F(SlowLinkLongTest, IsNoStallAndItsEndIsForetold) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat(md5(g::text), "
      "32)"
      " FROM generate_series(1, 40000) g; ANALYZE t");
  SlowLink link(server(), 5e6, std::chrono::milliseconds(50));
  const CommandResult result = harness::pgfanout(
      {"copy", "--source", link.dsn(database), "--table", "t", "--key", "id % 4", "--partitions",
       "4", "--progress", "plain", "--stall-timeout", "2s", "--readers", "2"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err.find("stalled"), std::string::npos) << result;
  EXPECT_EQ(difference("t", "t_new", "id, v"), "0");
  std::smatch done;
  const std::regex end("\ncopy: done in ([0-9.]+) s");
  ASSERT_TRUE(std::regex_search(result.err, done, end)) << result;
  const double took = std::strtod(done[1].str().c_str(), nullptr);
  EXPECT_GT(took, 8) << "80 MB at 5 MB/s";
  int judged = 0;
  const std::regex line("\ncopy: [^\n]* ([0-9]+:[0-9]+) so far, ETA ([0-9]+:[0-9]+)");
  for (std::sregex_iterator at(result.err.begin(), result.err.end(), line), none; at != none;
       ++at) {
    const double so_far = seconds_of((*at)[1]);
    if (so_far < took / 3) continue;
    ++judged;
    EXPECT_NEAR(so_far + seconds_of((*at)[2]), took, took / 3) << at->str();
  }
  EXPECT_GE(judged, 2) << result;
}

}  // namespace
}  // namespace pgfanout::testing
