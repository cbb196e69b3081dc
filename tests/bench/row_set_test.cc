// The rows never change: their bytes are known answers. Each is found by its number, with its key.
#include "bench/insert/row_set.h"

#include <gtest/gtest.h>

#include <set>

namespace pgfanout::bench {
namespace {

std::string text_of(std::uint64_t number, Width width) {
  std::string text;
  append_text(make_row(number, width), text);
  return text;
}

TEST(RowSet, KnownRows) {
  EXPECT_EQ(text_of(0, Width::narrow),
            "c9ed9924-11bb-4661-9a44-bf355479a647\tff70430f-405e-45db-92ae-d4717716b42f\t"
            "0f951287-9584-4418-aa2f-941057c8e61c\t0\tgwSZbcXcZTJLo9bf\t2025-01-01 00:00:00+00");
  EXPECT_EQ(text_of(12345, Width::narrow),
            "1142031b-08d3-402b-882d-f4f8a24fef83\t5c5cca37-c8fd-456f-9cfc-52bfd49f43e9\t"
            "cec7ec26-cae4-4700-b451-8cc70a1a3a3d\t5\tUppXNvsmXOf4bsBc\t2025-01-01 03:25:45+00");
}

TEST(RowSet, KnownSet) {
  const auto rows = RowSet::make(1000, Width::demo);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->rows(), 1000U);
  EXPECT_EQ(rows->bytes(), 444'000U);
  EXPECT_EQ(rows->digest().hex(), "352ea9a127bfb763bdd8b46049e59e43");
}

TEST(RowSet, BinaryFieldsAreThoseOfTheText) {
  std::string fields;
  append_fields(make_row(7, Width::narrow), fields);
  const auto values = values_of(as_bytes(fields));
  EXPECT_EQ(values[0].size(), 16U);
  EXPECT_EQ(values[3].back(), 7U);
  EXPECT_NE(text_of(7, Width::narrow).find(as_text(values[4])), std::string::npos);
  EXPECT_EQ(values[5].size(), 8U);
}

TEST(RowSet, WidthsDifferInTheContentAlone) {
  const Row narrow = make_row(3, Width::narrow);
  const Row wide = make_row(3, Width::wide);
  EXPECT_EQ(narrow.id, wide.id);
  EXPECT_EQ(narrow.collection_id, wide.collection_id);
  EXPECT_EQ(narrow.content.size(), content_bytes(Width::narrow));
  EXPECT_EQ(wide.content.size(), content_bytes(Width::wide));
}

TEST(RowSet, IdsAreDistinctAndTextNeedsNoEscape) {
  std::set<Row::Uuid> ids;
  for (std::uint64_t number = 0; number < 2000; ++number) {
    const Row row = make_row(number, Width::demo);
    ids.insert(row.id);
    EXPECT_EQ(row.content.find_first_of("\\\t\n"), std::string::npos);
  }
  EXPECT_EQ(ids.size(), 2000U);
}

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
  const auto key = compile_key(kKeySql);
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
