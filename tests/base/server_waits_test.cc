// Statements that wait for a server, and their words.
#include "copier/base/server_waits.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(ServerWaitsTest, AStatementIsCutInOneLine) {
  EXPECT_EQ(excerpt_of("  SELECT\n\t1  FROM t"), "SELECT 1 FROM t");
  const std::string dots(58, '.');
  EXPECT_EQ(excerpt_of(dots + "ab"), dots + "ab");
  EXPECT_EQ(excerpt_of(dots + "\xc3\xa9\xc3\xa9"), dots + "\xc3\xa9 ...") << "between characters";
}

TEST(ServerWaitsTest, ThoseThatAreLeftBehindAreKept) {
  ServerWaits waits;
  const auto now = std::chrono::steady_clock::now();
  int one = 0;
  int two = 0;
  int connecting = 0;
  waits.begin(&one, {1, "pgfanout/j/target", "db:5432/app", "COMMIT", now});
  waits.begin(&two,
              {2, "pgfanout/j/reader", "db:5432/app", "SELECT", now - std::chrono::seconds(1)});
  waits.begin(&connecting, {0, "", "host=db", "a connection", now});
  ASSERT_EQ(waits.open().size(), 3U);
  EXPECT_EQ(waits.open().front().pid, 2) << "the longest first";
  EXPECT_EQ(text_of(waits.open().front()), "SELECT of pid 2 (pgfanout/j/reader) on db:5432/app");
  waits.leave_behind(&one);
  waits.leave_behind(&connecting);
  waits.end(&two);
  waits.leave_behind(&two);
  EXPECT_TRUE(waits.open().empty());
  ASSERT_EQ(waits.left_behind().size(), 1U) << "no process of the server is known of the others";
  EXPECT_EQ(waits.left_behind().front().pid, 1);
}

}  // namespace
}  // namespace pgfanout
