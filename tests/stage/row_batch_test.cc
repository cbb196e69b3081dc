// Decode refuses whatever does not have the shape that a whole range must have. In digests of rows
// every field counts, and NULL is no empty value.
#include "copier/stage/row_batch.h"

#include <gtest/gtest.h>

#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using testing::batch_of;
using testing::copy_row;
using testing::Field;
using testing::id_name_layout;
using testing::int4;

TEST(DecodeStage, FindsRowsAndTheirFields) {
  RowBatch batch = batch_of({copy_row({int4(1), "a"}), copy_row({int4(2), std::nullopt})});
  const RowFields fields(id_name_layout());
  ASSERT_TRUE(decode_batch(fields, batch));
  ASSERT_EQ(batch.index.rows.size(), 2U);
  EXPECT_EQ(fields.of_row(batch, 0)[0].length, 1);
  EXPECT_TRUE(fields.of_row(batch, 1)[0].is_null());
  EXPECT_EQ(as_text(fields.copied_bytes(batch, 0)), int4(4) + int4(1) + int4(1) + "a");
}

TEST(DecodeStage, EarlyTrailerIsUnproven) {
  RowBatch batch = batch_of({copy_row({int4(1), "a"})});
  batch.is_last = false;
  const auto decoded = decode_batch(RowFields(id_name_layout()), batch);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, "malformed-stream");
  EXPECT_EQ(decoded.error().consequence, Consequence::unproven);
}

TEST(DecodeStage, MissingTrailerIsUnproven) {
  RowBatch batch = batch_of({copy_row({int4(1), "a"})});
  Buffer cut(batch.bytes.size());
  cut.append(batch.bytes.view().first(batch.bytes.size() - sizeof(std::uint16_t)));
  batch.bytes = std::move(cut);
  const auto decoded = decode_batch(RowFields(id_name_layout()), batch);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message, "the stream ended without its trailer");
  EXPECT_EQ(decoded.error().consequence, Consequence::unproven);
}

TEST(DecodeStage, TrailerMustEndTheLastBatch) {
  RowBatch batch = batch_of({});
  batch.bytes.clear();
  batch.bytes.append(copy_header());
  EXPECT_FALSE(decode_batch(RowFields(id_name_layout()), batch));
}

TEST(DecodeStage, RowCutInTwoIsRefused) {
  RowBatch batch = batch_of({copy_row({int4(1), "abc"})});
  batch.is_last = false;
  Buffer cut(batch.bytes.size());
  cut.append(batch.bytes.view().first(batch.bytes.size() - 4));
  batch.bytes = std::move(cut);
  EXPECT_FALSE(decode_batch(RowFields(id_name_layout()), batch));
}

TEST(DecodeStage, RowsMustBeAsManyAsMessages) {
  RowBatch batch = batch_of({copy_row({int4(1), "a"})});
  for (const std::size_t messages : {0U, 2U}) {
    batch.expected_rows = messages;
    EXPECT_FALSE(decode_batch(RowFields(id_name_layout()), batch)) << messages;
  }
}

TEST(DecodeStage, RewritesElementOidsOfArrays) {
  const auto array_of = [](std::int32_t oid) {
    return int4(1) + int4(0) + int4(oid) + int4(1) + int4(1) + int4(2) + "ok";
  };
  RowLayout layout = id_name_layout();
  const TypeShape element{TypeShape::Form::plain, 7001, 9001, {}};
  layout.oid_patches = {{0, {TypeShape::Form::array, 7000, 9000, {element}}}};
  RowBatch batch = batch_of({copy_row({array_of(7001), "a"}), copy_row({std::nullopt, "b"})});
  ASSERT_TRUE(decode_batch(RowFields(layout), batch));
  const RowFields fields(layout);
  EXPECT_NE(as_text(fields.copied_bytes(batch, 0)).find(array_of(9001)), std::string::npos);

  RowBatch other = batch_of({copy_row({array_of(7002), "a"})});
  EXPECT_FALSE(decode_batch(RowFields(layout), other));
  RowBatch shorter = batch_of({copy_row({std::string("short"), "a"})});
  EXPECT_FALSE(decode_batch(RowFields(layout), shorter));
}

TEST(DecodeStage, StoredKeyAndGeneratedColumnsStayOutOfWhatIsCopied) {
  RowLayout layout = id_name_layout();
  layout.fields = 4;  // id, name, generated, stored key
  layout.copied = 2;
  layout.digested = 3;
  layout.stored_key = 3;
  const RowFields fields(layout);
  RowBatch batch = batch_of({copy_row({int4(1), "a", "gen", int4(42)})});
  ASSERT_TRUE(decode_batch(fields, batch));
  const std::string copied = int4(4) + int4(1) + int4(1) + "a";
  EXPECT_EQ(as_text(fields.copied_bytes(batch, 0)), copied);
  EXPECT_EQ(as_text(fields.digested_bytes(batch, 0)), copied + int4(3) + "gen");
  EXPECT_EQ(integer_field(batch, *fields.stored_key(batch, 0)), 42);
}

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
