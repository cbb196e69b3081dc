// The rows in memory: every one is found by its number, with its key.
#include "bench/insert/row_set.h"

#include <gtest/gtest.h>

#include <set>

namespace pgfanout::bench {
namespace {

TEST(RowSet, HoldsEveryRow) {
  // Across the border between batches, and with a partial last one.
  auto rows = RowSet::make(601, Width::narrow);
  ASSERT_TRUE(rows);
  std::uint64_t in_batches = 0;
  for (const RowBatch& batch : rows->batches()) in_batches += batch.index.rows.size();
  EXPECT_EQ(in_batches, 601U);
  MultisetDigest digest;
  for (std::uint64_t number = 0; number < 601; ++number) {
    std::string fields;
    append_fields(make_row(number, Width::narrow), fields);
    EXPECT_EQ(as_text(rows->fields(number)), fields) << number;
    digest.add(row_digest(rows->fields(number)));
  }
  EXPECT_EQ(digest, rows->digest());
}

TEST(RowSet, KeysDoNotDependOnHowTheyAreAskedFor) {
  const auto rows = RowSet::make(601, Width::narrow);
  const auto key = compile_key();
  ASSERT_TRUE(rows && key);
  KeyScratch scratch;
  std::vector<std::int64_t> all;
  ASSERT_TRUE(rows->append_keys(*key, 0, 601, scratch, all));
  std::vector<std::int64_t> pieces;
  for (std::uint64_t from = 0; from < 601; from += 37) {
    const std::uint64_t to = std::min<std::uint64_t>(601, from + 37);
    ASSERT_TRUE(rows->append_keys(*key, from, to, scratch, pieces));
  }
  EXPECT_EQ(all, pieces);
  const std::set<std::int64_t> distinct(all.begin(), all.end());
  EXPECT_GT(distinct.size(), 90U);
  EXPECT_GE(*distinct.begin(), 0);
  EXPECT_LT(*distinct.rbegin(), 100);
}

}  // namespace
}  // namespace pgfanout::bench
