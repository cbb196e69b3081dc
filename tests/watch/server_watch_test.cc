// Lag of a standby and checkpoints a minute, from earlier samples.
#include "copier/watch/server_watch.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using std::chrono::seconds;

constexpr WalHistory::Moment start{};

TEST(ServerWatchTest, AStandbyIsAsFarBehindAsItsPositionIsOld) {
  WalHistory wal;
  for (int at = 0; at < 10; ++at) wal.note(start + seconds(at), 1000 + 100 * at);
  const auto now = start + seconds(10);
  EXPECT_EQ(wal.seconds_behind(now, 1900), 0);
  EXPECT_EQ(wal.seconds_behind(now, 5000), 0);
  EXPECT_EQ(wal.seconds_behind(now, 1850), 1);  // It lacks what came at 9.
  EXPECT_EQ(wal.seconds_behind(now, 1300), 6);
  EXPECT_EQ(wal.seconds_behind(now, 1), 10);  // Since the history began.
}

TEST(ServerWatchTest, AServerThatWritesNothingHasNoLag) {
  WalHistory wal;
  wal.note(start, 1000);
  wal.note(start + seconds(60), 1000);
  EXPECT_EQ(wal.seconds_behind(start + seconds(60), 1000), 0);
  EXPECT_EQ(wal.seconds_behind(start + seconds(60), 999), 60);
}

TEST(ServerWatchTest, CountsWithinTheLastMinute) {
  LastMinute counts;
  EXPECT_EQ(counts.note(start, 7), 0);
  EXPECT_EQ(counts.note(start + seconds(10), 9), 2);
  EXPECT_EQ(counts.note(start + seconds(59), 9), 2);
  EXPECT_EQ(counts.note(start + seconds(61), 9), 0);
  EXPECT_EQ(counts.note(start + seconds(65), 12), 3);
  EXPECT_EQ(counts.note(start + seconds(66), 1), 0);  // The statistics were reset.
  EXPECT_EQ(counts.note(start + seconds(67), 2), 1);
}

}  // namespace
}  // namespace pgfanout
