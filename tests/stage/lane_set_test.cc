// Row pieces: halving finds any set of bad rows, and every other row goes in once, in order.
#include "copier/stage/lane_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace pgfanout {
namespace {

/// Row i is i + 1 bytes of the value i.
LaneBatch lane_batch(std::size_t rows) {
  LaneBatch batch;
  batch.bytes = Buffer(rows * (rows + 1) / 2 + 1);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::vector<std::uint8_t> bytes(row + 1, static_cast<std::uint8_t>(row));
    batch.bytes.append(bytes);
    batch.origins.push_back({7, static_cast<std::uint32_t>(row + 1), row, {row, row}});
  }
  batch.rows = rows;
  return batch;
}

TEST(LaneSet, HalvingFindsTheRowsInTheWay) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const std::size_t rows = random() % 60;
    std::set<std::size_t> bad;
    for (std::size_t at = random() % 5; at > 0 && rows > 0; --at) bad.insert(random() % rows);
    std::vector<std::size_t> taken;
    std::vector<std::size_t> aside;
    RowPieces pieces(lane_batch(rows));
    while (!pieces.empty()) {
      std::vector<std::size_t> here;
      bool is_bad = false;
      const ByteView bytes = pieces.bytes();
      for (std::size_t at = 0; at < bytes.size(); at += bytes[at] + 1U) {
        here.push_back(bytes[at]);
        is_bad = is_bad || bad.contains(bytes[at]);
      }
      ASSERT_EQ(here.size(), pieces.rows());
      EXPECT_EQ(pieces.origin().row, here.front());
      if (is_bad && pieces.halve()) continue;
      auto& list = is_bad ? aside : taken;
      list.insert(list.end(), here.begin(), here.end());
      pieces.pop();
    }
    EXPECT_EQ(std::set<std::size_t>(aside.begin(), aside.end()), bad);
    EXPECT_EQ(taken.size() + aside.size(), rows);
    EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
    EXPECT_EQ(pieces.take().rows, rows);
  }
}

}  // namespace
}  // namespace pgfanout
