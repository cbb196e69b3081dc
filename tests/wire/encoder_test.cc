// The encoder against bytes of a real server, and back through the decoder.
#include "copier/wire/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "copier/wire/decoder.h"
#include "tests/wire/golden_streams.h"
#include "tests/wire/stream_builder.h"

namespace pgfanout {
namespace {

void append(Bytes& bytes, ByteView more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

/// Encodes one row into its own bytes, with a guard behind that must stay as it is.
Bytes encoded_row(std::uint16_t copied_fields, ByteView fields, KeyField key_field,
                  std::int64_t key) {
  constexpr std::uint8_t kGuard = 0xa5;
  const std::size_t size = encoded_row_bytes(fields.size(), key_field);
  Bytes row(size + 8, kGuard);
  EXPECT_EQ(encode_row(row.data(), copied_fields, fields, key_field, key), row.data() + size);
  for (std::size_t i = size; i < row.size(); ++i) EXPECT_EQ(row[i], kGuard);
  row.resize(size);
  return row;
}

TEST(EncoderGolden, HeaderAndTrailerAreTheServersOwn) {
  Bytes stream;
  append(stream, copy_header());
  append(stream, copy_trailer());
  EXPECT_EQ(stream, golden_no_rows());
}

TEST(EncoderGolden, AKeyOfEachTypeAsTheServerWritesIt) {
  const Bytes golden = golden_ints();
  const ByteView all(golden);
  const ByteView first_field = all.subspan(21, 6);
  const ByteView two_fields = all.subspan(21, 14);
  Bytes stream;
  append(stream, copy_header());
  append(stream, encoded_row(2, two_fields, KeyField::int8, -3));
  append(stream, copy_trailer());
  EXPECT_EQ(stream, golden);
  EXPECT_EQ(encoded_row(1, first_field, KeyField::int4, -2),
            StreamBuilder().word16(2).raw(all.subspan(21, 14)).bytes());
  EXPECT_EQ(encoded_row(0, {}, KeyField::int2, -1),
            StreamBuilder().word16(1).raw(first_field).bytes());
}

TEST(EncoderGolden, WithoutAKeyTheRowIsTheSame) {
  const Bytes golden = golden_nulls();
  Bytes stream;
  append(stream, copy_header());
  append(stream, encoded_row(2, ByteView(golden).subspan(21, 8), KeyField::none, 0));
  append(stream, copy_trailer());
  EXPECT_EQ(stream, golden);
}

TEST(Encoder, ExtremeKeys) {
  const auto key_bytes = [](KeyField type, std::int64_t key) {
    Bytes row = encoded_row(0, {}, type, key);
    return Bytes(row.begin() + 6, row.end());
  };
  using testing::ElementsAre;
  EXPECT_THAT(key_bytes(KeyField::int2, -32768), ElementsAre(0x80, 0));
  EXPECT_THAT(key_bytes(KeyField::int2, 32767), ElementsAre(0x7f, 0xff));
  EXPECT_THAT(key_bytes(KeyField::int4, std::numeric_limits<std::int32_t>::min()),
              ElementsAre(0x80, 0, 0, 0));
  EXPECT_THAT(key_bytes(KeyField::int4, 99), ElementsAre(0, 0, 0, 99));
  EXPECT_THAT(key_bytes(KeyField::int8, std::numeric_limits<std::int64_t>::min()),
              ElementsAre(0x80, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(key_bytes(KeyField::int8, 0x0102030405060708), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(Encoder, ARowWithoutFieldsIsItsCount) {
  EXPECT_EQ(encoded_row(0, {}, KeyField::none, 0), bytes_of_hex("0000"));
}

/// decode -> encode with a key -> decode: the copied fields are the same bytes, and the key is the
/// last field.
TEST(Encoder, RoundTripThroughTheDecoder) {
  std::mt19937 random(4);
  for (int round = 0; round < 500; ++round) {
    const auto field_count = static_cast<std::uint16_t>(random() % 6);
    const Bytes source = random_stream(random, field_count, 10, 50);
    RowIndex read;
    Decoder reader(field_count, {});
    ASSERT_EQ(reader.decode(source, 0, read).status, DecodeStatus::done);

    Bytes stream;
    append(stream, copy_header());
    std::vector<std::int64_t> keys;
    for (const RowRef row : read.rows) {
      keys.push_back(static_cast<std::int16_t>(random()));
      append(stream,
             encoded_row(field_count, ByteView(source).subspan(row.offset + 2, row.length - 2),
                         KeyField::int2, keys.back()));
    }
    append(stream, copy_trailer());

    RowIndex written;
    Decoder checker(static_cast<std::uint16_t>(field_count + 1), {field_count});
    ASSERT_EQ(checker.decode(stream, 0, written).status, DecodeStatus::done);
    ASSERT_EQ(written.rows.size(), read.rows.size());
    for (std::size_t i = 0; i < read.rows.size(); ++i) {
      const RowRef before = read.rows[i];
      const RowRef after = written.rows[i];
      ASSERT_EQ(after.length, before.length + 6);
      ASSERT_TRUE(std::equal(source.begin() + before.offset + 2,
                             source.begin() + before.offset + before.length,
                             stream.begin() + after.offset + 2));
      const FieldRef key = written.fields[i];
      ASSERT_EQ(key.length, 2);
      ASSERT_EQ(static_cast<std::int16_t>(stream[key.offset] * 256 + stream[key.offset + 1]),
                keys[i]);
    }
  }
}

}  // namespace
}  // namespace pgfanout
