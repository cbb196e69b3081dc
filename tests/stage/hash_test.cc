// Digests of rows as they are read: every field counts, and NULL is no empty value.
#include "copier/stage/hash.h"

#include <gtest/gtest.h>

#include "copier/stage/decode.h"
#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using testing::batch_of;
using testing::copy_row;
using testing::Field;
using testing::int4;

RowDigest digest_of_row(const RowLayout& layout, const std::vector<Field>& row) {
  const RowFields fields(layout);
  const KeyExpression key = testing::name_key();
  RowBatch batch = batch_of({copy_row(row)});
  if (auto decoded = decode_batch(fields, batch); !decoded) {
    throw std::runtime_error(decoded.error().message);
  }
  KeyScratch scratch;
  hash_batch(fields, key, scratch, batch);
  return batch.digests.at(0);
}

TEST(HashStage, NullIsNoEmptyValue) {
  const RowLayout layout = testing::id_name_layout();
  const RowDigest null = digest_of_row(layout, {int4(1), std::nullopt});
  EXPECT_FALSE(null == digest_of_row(layout, {int4(1), ""}));
  EXPECT_FALSE(null == digest_of_row(layout, {std::nullopt, int4(1)}));
  EXPECT_EQ(null, digest_of_row(layout, {int4(1), std::nullopt}));
}

TEST(HashStage, FieldsHaveTheirBoundsAndTheirOrder) {
  const RowLayout layout = testing::id_name_layout();
  EXPECT_FALSE(digest_of_row(layout, {"ab", "c"}) == digest_of_row(layout, {"a", "bc"}));
  EXPECT_FALSE(digest_of_row(layout, {"a", "b"}) == digest_of_row(layout, {"b", "a"}));
}

TEST(HashStage, ComparedFieldsCountAndTheStoredKeyDoesNot) {
  RowLayout layout = testing::id_name_layout();
  layout.fields = 4;  // id, name, generated, stored key
  layout.digested = 3;
  layout.stored_key = 3;
  const RowDigest digest = digest_of_row(layout, {int4(1), "a", "x", int4(5)});
  EXPECT_EQ(digest, digest_of_row(layout, {int4(1), "a", "x", int4(6)}));
  EXPECT_FALSE(digest == digest_of_row(layout, {int4(1), "a", "y", int4(5)}));
}

}  // namespace
}  // namespace pgfanout
