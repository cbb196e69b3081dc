// A COPY in pieces: header, rows, trailer and end in this order, and no count but ours is believed.
#include "copier/stage/copy_cursor.h"

#include <gtest/gtest.h>

#include "tests/pipeline/fakes.h"

namespace pgfanout {
namespace {

using testing::FakeChannel;
using testing::FakeTarget;

class CopyCursorTest : public ::testing::Test {
 protected:
  /// Begins the COPY, and lets the channel take its data.
  void begin() {
    ASSERT_TRUE(cursor.begin("COPY leaf"));
    ASSERT_TRUE(channel.step(true));
    ASSERT_EQ(channel.state(), ChannelState::copying);
  }
  /// The number of puts until more rows are needed, or the COPY has ended.
  int put_all() {
    int puts = 0;
    while (channel.state() == ChannelState::copying) {
      const auto put = cursor.put_piece();
      EXPECT_TRUE(put);
      if (!put || !*put) break;
      ++puts;
    }
    return puts;
  }

  std::string rows_of(int count, std::size_t bytes) {
    std::string rows;
    for (int row = 0; row < count; ++row) {
      rows += testing::copy_row({testing::int4(row), std::string(bytes, 'x'), testing::int4(0)});
    }
    return rows;
  }

  FakeTarget target;
  FakeChannel channel{target};
  std::atomic<std::uint64_t> bytes_written{0};
  CopyCursor cursor{channel, bytes_written};
  Ledger ledger{0, 1};
};

TEST_F(CopyCursorTest, RowsAreCutIntoPieces) {
  const std::string first = rows_of(3, 3 * WriteChannel::kPieceBytes);
  const std::string second = rows_of(1, 1);
  EXPECT_FALSE(cursor.is_open());
  begin();
  cursor.give(as_bytes(first), 3);
  EXPECT_EQ(put_all(), 1 + 10);  // The header, and whole pieces but for the last.
  cursor.give(as_bytes(second), 1);
  EXPECT_EQ(put_all(), 1);
  cursor.finish();
  EXPECT_EQ(put_all(), 2);
  ASSERT_TRUE(channel.step(true));
  EXPECT_TRUE(cursor.is_open());
  ASSERT_TRUE(cursor.account(0, ledger));
  EXPECT_FALSE(cursor.is_open());
  EXPECT_EQ(ledger.leaf(0).copied_rows, 4U);
  EXPECT_EQ(bytes_written, first.size() + second.size());
}

TEST_F(CopyCursorTest, EachCopyIsCountedAnew) {
  const std::string rows = rows_of(2, 10);
  for (int round = 0; round < 2; ++round) {
    begin();
    cursor.give(as_bytes(rows), 2);
    put_all();
    cursor.finish();
    put_all();
    ASSERT_TRUE(channel.step(true));
    ASSERT_TRUE(cursor.account(0, ledger));
  }
  EXPECT_EQ(ledger.leaf(0).copied_rows, 4U);
}

TEST_F(CopyCursorTest, AnotherCountOfTheServerIsAnError) {
  channel.extra_rows = 1;
  begin();
  const std::string rows = rows_of(2, 10);
  cursor.give(as_bytes(rows), 2);
  put_all();
  cursor.finish();
  put_all();
  ASSERT_TRUE(channel.step(true));
  const auto accounted = cursor.account(0, ledger);
  ASSERT_FALSE(accounted);
  EXPECT_EQ(accounted.error().code, "ledger-rows");
  EXPECT_EQ(accounted.error().consequence, Consequence::refuse);
}

}  // namespace
}  // namespace pgfanout
