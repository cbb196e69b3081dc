// Rows are split among writers, statements carry them, and the rows that arrived are compared.
#include "bench/insert/insertion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "bench/insert/insert_runner.h"

namespace pgfanout::bench {
namespace {

using testing::HasSubstr;

TEST(Insertion, SharesCoverAllRowsOnce) {
  for (const std::uint64_t rows : {1ULL, 7ULL, 100ULL, 100'001ULL}) {
    for (const std::uint32_t writers : {1U, 3U, 100U}) {
      std::uint64_t next = 0;
      for (std::uint32_t writer = 0; writer < writers; ++writer) {
        const Share share = share_of(rows, writers, writer);
        EXPECT_EQ(share.from, next);
        EXPECT_LE(share.to - share.from, rows / writers + 1);
        next = share.to;
      }
      EXPECT_EQ(next, rows);
    }
  }
}

TEST(Insertion, WritersAllRunAndTheFirstErrorCounts) {
  std::atomic<int> calls{0};
  const auto seconds = time_writers(5, [&](std::uint32_t) {
    ++calls;
    return Result<void>();
  });
  ASSERT_TRUE(seconds);
  EXPECT_GE(*seconds, 0);
  EXPECT_EQ(calls, 5);
  const auto failed = time_writers(3, [](std::uint32_t writer) {
    return writer == 1 ? Result<void>(refused("code", "of one")) : Result<void>();
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "of one");
}

TEST(Insertion, StatementsNameTheKeyOnlyWhereItIsSent) {
  InsertCase each;
  each.method = Method::multirow;
  EXPECT_EQ(
      insert_statement(each, 2),
      "INSERT INTO pgfanout_bench.rows (id, collection_id, document_id, chunk_index, content, "
      "created_at, partition_key) VALUES ($1, $2, $3, $4, $5, $6, $7), "
      "($8, $9, $10, $11, $12, $13, $14)");
  each.layout = Layout::plain;
  each.key = KeyBy::trigger;
  EXPECT_EQ(
      insert_statement(each, 1),
      "INSERT INTO pgfanout_bench.rows (id, collection_id, document_id, chunk_index, content, "
      "created_at) VALUES ($1, $2, $3, $4, $5, $6)");
  EXPECT_THAT(create_statements(each).at(1), HasSubstr("hashtext(NEW.collection_id::"));
}

TEST(Insertion, ArrivedRowsMustBeThoseSent) {
  MultisetDigest sent;
  sent.add({1, 2});
  sent.add({3, 4});
  EXPECT_TRUE(compare_arrived({sent, 0, 0}, sent));
  MultisetDigest fewer;
  fewer.add({1, 2});
  MultisetDigest other = fewer;
  other.add({3, 5});
  for (const Arrived& wrong :
       {Arrived{fewer, 0, 0}, Arrived{other, 0, 0}, Arrived{sent, 1, 0}, Arrived{sent, 0, 1}}) {
    const auto compared = compare_arrived(wrong, sent);
    ASSERT_FALSE(compared);
    EXPECT_EQ(compared.error().code, "bench-check");
  }
}

}  // namespace
}  // namespace pgfanout::bench
