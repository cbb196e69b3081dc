// Replays: the same rows are dropped, other rows end the job.
#include "copier/stage/replay_check.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

RowBatch batch_of(bool is_first, bool is_replay) {
  RowBatch batch;
  batch.is_first = is_first;
  batch.is_replay = is_replay;
  return batch;
}

MultisetDigest read_rows(std::initializer_list<std::uint64_t> numbers) {
  MultisetDigest digest;
  for (const std::uint64_t number : numbers) digest.add({number, ~number});
  return digest;
}

TEST(ReplayCheck, SameRowsAreDroppedInWhateverBatches) {
  ReplayCheck check(1);
  EXPECT_TRUE(*check.take(batch_of(true, false), read_rows({1, 2})));
  EXPECT_TRUE(*check.take(batch_of(false, false), read_rows({3})));
  EXPECT_FALSE(*check.take(batch_of(true, true), read_rows({1})));
  EXPECT_FALSE(*check.take(batch_of(false, true), read_rows({3, 2})));
  EXPECT_TRUE(*check.take(batch_of(false, false), read_rows({4})));
  // Lost again, twice in the middle of the replay.
  EXPECT_FALSE(*check.take(batch_of(true, true), read_rows({1})));
  EXPECT_FALSE(*check.take(batch_of(true, true), read_rows({1, 2})));
  EXPECT_FALSE(*check.take(batch_of(true, true), read_rows({1, 2, 3, 4})));
  EXPECT_TRUE(*check.take(batch_of(false, false), read_rows({})));
}

TEST(ReplayCheck, OtherRowsEndTheJob) {
  for (const auto& again :
       {read_rows({1}), read_rows({1, 3}), read_rows({1, 2, 2}), read_rows({})}) {
    ReplayCheck check(1);
    EXPECT_TRUE(*check.take(batch_of(true, false), read_rows({1, 2})));
    EXPECT_FALSE(*check.take(batch_of(true, true), again));
    const auto next = check.take(batch_of(false, false), read_rows({5}));
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code, "replay-differs");
    EXPECT_EQ(next.error().consequence, Consequence::interrupt);
  }
}

TEST(ReplayCheck, AStreamThatBeginsBehindARowSetAsideIsItsOwn) {
  ReplayCheck check(1);
  EXPECT_TRUE(*check.take(batch_of(true, false), read_rows({1, 2})));
  EXPECT_TRUE(*check.take(batch_of(true, false), read_rows({4})));
  EXPECT_FALSE(*check.take(batch_of(true, true), read_rows({4})));
  // Another row is set aside right behind the replay.
  EXPECT_TRUE(*check.take(batch_of(true, false), read_rows({6})));
}

}  // namespace
}  // namespace pgfanout
