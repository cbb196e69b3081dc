// The decoder against bytes of a real server, against its naive twin on random, cut, truncated and
// corrupted streams, and at its limits.
#include "copier/wire/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <numeric>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "copier/base/byte_order.h"
#include "tests/wire/decode_in_pieces.h"
#include "tests/wire/golden_streams.h"
#include "tests/wire/naive_decoder.h"
#include "tests/wire/stream_builder.h"

namespace pgfanout {

void PrintTo(const RowRef& row, std::ostream* os) {
  *os << row.offset << "+" << row.length;
}
void PrintTo(const FieldRef& field, std::ostream* os) {
  *os << field.offset << "+" << field.length;
}
void PrintTo(const Decoded& d, std::ostream* os) {
  *os << "status " << static_cast<int>(d.status) << ", consumed " << d.consumed << ", error at "
      << d.error_position << ", rows " << testing::PrintToString(d.index.rows) << ", fields "
      << testing::PrintToString(d.index.fields) << " " << d.broken_promise;
}

namespace {

using Wanted = std::vector<std::uint16_t>;

Wanted all_fields(std::uint16_t field_count) {
  Wanted all(field_count);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  return all;
}

std::string text_of(const Bytes& stream, FieldRef field) {
  if (field.is_null()) return "NULL";
  return {stream.begin() + field.offset, stream.begin() + field.offset + field.length};
}

void expect_malformed(const Bytes& stream, std::uint16_t field_count, std::uint64_t position,
                      const std::string& reason) {
  Decoder decoder(field_count, {});
  RowIndex index;
  const DecodeStep step = decoder.decode(stream, 0, index);
  EXPECT_EQ(step.status, DecodeStatus::malformed);
  EXPECT_EQ(step.position, position);
  EXPECT_STREQ(step.reason, reason.c_str());
}

TEST(DecoderGolden, FindsTheRowsOfARealServer) {
  const Bytes stream = golden_mixed();
  const Decoded decoded = decode_at_once(stream, 4, {3, 1, 2}, true);
  EXPECT_EQ(decoded.status, DecodeStatus::done);
  EXPECT_EQ(decoded.consumed, stream.size());
  EXPECT_THAT(decoded.index.rows, testing::ElementsAre(RowRef{19, 29}, RowRef{48, 32}));
  std::vector<std::string> texts;
  for (const FieldRef field : decoded.index.fields) texts.push_back(text_of(stream, field));
  EXPECT_THAT(texts, testing::ElementsAre("", "abc", "NULL", "NULL", "\xc3\xa4",
                                          std::string("\0\0\0\x07", 4)));
}

TEST(DecoderGolden, ReadsEveryStreamOfARealServer) {
  for (const GoldenStream& golden : golden_streams()) {
    SCOPED_TRACE(golden.query);
    const Bytes stream = bytes_of_hex(golden.hex);
    const Wanted wanted = all_fields(golden.field_count);
    const Decoded decoded = decode_at_once(stream, golden.field_count, wanted, true);
    EXPECT_EQ(decoded.status, DecodeStatus::done);
    EXPECT_EQ(decoded.consumed, stream.size());
    EXPECT_EQ(decoded.index.rows.size(), golden.rows);
    EXPECT_EQ(decoded, decode_naively(stream, golden.field_count, wanted, true));
  }
}

TEST(DecoderGolden, FieldLengthsOfManyTypes) {
  const Decoded decoded = decode_at_once(golden_types(), 10, all_fields(10), true);
  std::vector<std::int32_t> lengths;
  for (const FieldRef field : decoded.index.fields) lengths.push_back(field.length);
  EXPECT_THAT(lengths, testing::ElementsAre(16, 1, 12, 8, 4, 40, 9, 3, 2, 8));
}

TEST(Decoder, WithoutAFieldEveryRowIsItsCount) {
  const Decoded decoded = decode_at_once(golden_zero_fields(), 0, {}, true);
  EXPECT_EQ(decoded.status, DecodeStatus::done);
  EXPECT_THAT(decoded.index.rows,
              testing::ElementsAre(RowRef{19, 2}, RowRef{21, 2}, RowRef{23, 2}));
}

TEST(Decoder, RecordsWantedFieldsInTheOrderAskedFor) {
  const Bytes stream = StreamBuilder().header().row({"a", "bb", "ccc"}).trailer().bytes();
  const Decoded decoded = decode_at_once(stream, 3, {2, 0, 1}, true);
  std::vector<std::int32_t> lengths;
  for (const FieldRef field : decoded.index.fields) lengths.push_back(field.length);
  EXPECT_THAT(lengths, testing::ElementsAre(3, 1, 2));
}

TEST(Decoder, OffsetsCountFromTheBaseAndAppend) {
  const Bytes rows = StreamBuilder().row({"a"}).row({"b"}).bytes();
  Decoder decoder(1, {0});
  decoder.start_at_row();
  RowIndex index;
  EXPECT_EQ(decoder.decode(rows, 1000, index).status, DecodeStatus::need_more);
  EXPECT_EQ(decoder.decode(rows, 2000, index).consumed, rows.size());
  EXPECT_THAT(index.rows, testing::ElementsAre(RowRef{1000, 7}, RowRef{1007, 7}, RowRef{2000, 7},
                                               RowRef{2007, 7}));
  EXPECT_THAT(index.fields, testing::ElementsAre(FieldRef{1006, 1}, FieldRef{1013, 1},
                                                 FieldRef{2006, 1}, FieldRef{2013, 1}));
}

TEST(Decoder, AReusedIndexDoesNotAllocate) {
  const Bytes rows = StreamBuilder().row({"a", "b"}).row({"c", "d"}).bytes();
  Decoder decoder(2, {0, 1});
  decoder.start_at_row();
  RowIndex index;
  ASSERT_EQ(decoder.decode(rows, 0, index).consumed, rows.size());
  index.clear();
  const RowRef* const rows_at = index.rows.data();
  const FieldRef* const fields_at = index.fields.data();
  ASSERT_EQ(decoder.decode(rows, 0, index).consumed, rows.size());
  EXPECT_EQ(index.rows.data(), rows_at);
  EXPECT_EQ(index.fields.data(), fields_at);
  EXPECT_EQ(index.rows.size(), 2U);
  EXPECT_EQ(index.fields.size(), 4U);
}

TEST(Decoder, NeedMoreSaysHowMuch) {
  const Bytes stream = StreamBuilder().header().row({"abcdef", std::nullopt, "x"}).bytes();
  Decoder decoder(3, {});
  const auto at_least = [&](std::size_t input_bytes) {
    decoder.start_stream();
    RowIndex index;
    const DecodeStep step = decoder.decode(ByteView(stream).first(input_bytes), 0, index);
    EXPECT_EQ(step.status, DecodeStatus::need_more);
    return std::pair(step.consumed, step.at_least);
  };
  EXPECT_EQ(at_least(0), std::pair(0UL, 19UL));
  EXPECT_EQ(at_least(18), std::pair(0UL, 19UL));
  EXPECT_EQ(at_least(19), std::pair(19UL, 2UL));   // a trailer would do
  EXPECT_EQ(at_least(21), std::pair(19UL, 14UL));  // three NULLs would do
  EXPECT_EQ(at_least(25), std::pair(19UL, 20UL));  // six bytes and two NULLs
  EXPECT_EQ(at_least(35), std::pair(19UL, 20UL));  // the second length is known
  EXPECT_EQ(at_least(39), std::pair(19UL, 21UL));  // and the third
  EXPECT_EQ(at_least(stream.size()), std::pair(40UL, 2UL));
}

TEST(Decoder, AHugeRowAsksForAllOfItAtOnce) {
  const Bytes start = StreamBuilder().word16(2).word32(100'000'000).bytes();
  Decoder decoder(2, {});
  decoder.start_at_row();
  RowIndex index;
  EXPECT_EQ(decoder.decode(start, 0, index).at_least, 2U + 4U + 100'000'000U + 4U);
}

TEST(Decoder, SkipsAHeaderExtension) {
  const std::string extension(1U << 20, 'e');
  const Bytes stream = StreamBuilder().header(extension).row({"a"}).trailer().bytes();
  EXPECT_EQ(decode_at_once(stream, 1, {}, true).status, DecodeStatus::done);
  Decoder decoder(1, {});
  RowIndex index;
  const DecodeStep step = decoder.decode(ByteView(stream).first(100), 0, index);
  EXPECT_EQ(step.at_least, 19U + extension.size());
}

TEST(Decoder, IgnoresFlagsThatAreNotCritical) {
  const Bytes stream = StreamBuilder().signature().word32(0xffff).word32(0).trailer().bytes();
  EXPECT_EQ(decode_at_once(stream, 1, {}, true).status, DecodeStatus::done);
}

TEST(DecoderRefuses, AWrongSignature) {
  expect_malformed(bytes_of_hex("50 47 43 4f 50 59 0d 0a ff 0d 0a"), 1, 0,
                   "the signature of binary COPY is missing");
}

TEST(DecoderRefuses, Flags) {
  expect_malformed(StreamBuilder().signature().word32(1U << 16).bytes(), 1, 11, "rows carry OIDs");
  for (unsigned bit = 17; bit < 32; ++bit) {
    expect_malformed(StreamBuilder().signature().word32(1U << bit).bytes(), 1, 11,
                     "an unknown critical flag is set");
  }
}

TEST(DecoderRefuses, ExtensionLengths) {
  for (const std::uint32_t length : {(1U << 20) + 1, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    expect_malformed(StreamBuilder().signature().word32(0).word32(length).bytes(), 1, 15,
                     "the header extension's length is not sane");
  }
}

TEST(DecoderRefuses, FieldCounts) {
  for (const std::uint32_t count : {0U, 1U, 3U, 0x7fffU, 0x8000U, 0xfffeU}) {
    expect_malformed(StreamBuilder().header().word16(count).bytes(), 2, 19,
                     "a row has an unexpected number of fields");
    // As many bytes behind it as a whole row has.
    expect_malformed(StreamBuilder().header().word16(count).field("a").field("b").bytes(), 2, 19,
                     "a row has an unexpected number of fields");
  }
}

TEST(DecoderRefuses, FieldLengths) {
  for (const std::uint32_t length : {0x40000000U, 0x7fffffffU, 0x80000000U, 0xfffffffeU}) {
    expect_malformed(StreamBuilder().header().word16(2).field("ok").word32(length).bytes(), 2, 27,
                     "a field's length is not valid");
  }
}

TEST(DecoderRefuses, ARowAboveOneGibibyte) {
  // The first field's length is fine by itself, but the words behind it do not fit any more.
  const auto row_of = [](std::uint32_t first) {
    return StreamBuilder().header().word16(3).word32(first).bytes();
  };
  const std::uint32_t largest = (1U << 30) - 2 - 3 * 4;
  expect_malformed(row_of(largest + 1), 3, 21, "a row exceeds 1 GiB");
  expect_malformed(row_of(0x3fffffff), 3, 21, "a row exceeds 1 GiB");
  Decoder decoder(3, {});
  RowIndex index;
  EXPECT_EQ(decoder.decode(row_of(largest), 0, index).at_least, std::size_t{1} << 30);
}

TEST(DecoderRefuses, BytesAfterTheTrailer) {
  const Bytes stream = StreamBuilder().header().trailer().raw(bytes_of_hex("00")).bytes();
  expect_malformed(stream, 1, 21, "bytes follow the trailer");
}

TEST(DecoderRefuses, BytesAfterTheTrailerInALaterInput) {
  Decoder decoder(1, {});
  RowIndex index;
  ASSERT_EQ(decoder.decode(StreamBuilder().header().trailer().bytes(), 0, index).status,
            DecodeStatus::done);
  EXPECT_EQ(decoder.decode({}, 0, index).status, DecodeStatus::done);
  EXPECT_EQ(decoder.decode(bytes_of_hex("ff"), 0, index).status, DecodeStatus::malformed);
  EXPECT_EQ(decoder.decode({}, 0, index).status, DecodeStatus::malformed);
}

TEST(DecoderRefuses, EverythingAfterAnErrorUntilAStart) {
  Decoder decoder(1, {});
  decoder.start_at_row();
  RowIndex index;
  const Bytes row = StreamBuilder().row({"a"}).bytes();
  ASSERT_EQ(decoder.decode(bytes_of_hex("0005"), 0, index).status, DecodeStatus::malformed);
  ASSERT_EQ(decoder.decode(row, 0, index).status, DecodeStatus::malformed);
  decoder.start_at_row();
  EXPECT_EQ(decoder.decode(row, 0, index).consumed, row.size());
}

TEST(DecoderRefuses, OffsetsBeyondFourGibibytes) {
  const Bytes row = StreamBuilder().row({"a"}).bytes();
  const auto last_base = static_cast<std::uint32_t>(0xffffffffU - row.size());
  Decoder decoder(1, {0});
  decoder.start_at_row();
  RowIndex index;
  ASSERT_EQ(decoder.decode(row, last_base, index).consumed, row.size());
  EXPECT_EQ(index.rows[0].offset, last_base);
  EXPECT_EQ(index.fields[0].offset, last_base + 6);
  const DecodeStep step = decoder.decode(row, last_base + 1, index);
  EXPECT_EQ(step.status, DecodeStatus::malformed);
  EXPECT_STREQ(step.reason, "the batch would exceed 4 GiB");
  EXPECT_EQ(index.rows.size(), 1U);
}

TEST(DecoderRefuses, AndLeavesTheWholeRowsBeforeTheError) {
  const Bytes stream = StreamBuilder().header().row({"a"}).row({"b"}).word16(7).bytes();
  const Decoded decoded = decode_at_once(stream, 1, {0}, true);
  EXPECT_EQ(decoded.status, DecodeStatus::malformed);
  EXPECT_EQ(decoded.error_position, 33U);
  EXPECT_EQ(decoded.consumed, 33U);
  EXPECT_EQ(decoded.index.rows.size(), 2U);
  EXPECT_EQ(decoded.index.fields.size(), 2U);
}

/// Zeros that take no memory until they are written: for streams of gigabytes, of which the decoder
/// reads only the length words.
class SparseBytes {
 public:
  explicit SparseBytes(std::size_t size) : size_(size) {
    void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) data_ = static_cast<std::uint8_t*>(at);
  }
  ~SparseBytes() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  SparseBytes(const SparseBytes&) = delete;
  SparseBytes& operator=(const SparseBytes&) = delete;

  [[nodiscard]] std::uint8_t* data() { return data_; }
  [[nodiscard]] ByteView view() const { return {data_, size_}; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_;
};

TEST(DecoderLarge, ARowAboveOneGibibyteThatIsThere) {
  constexpr std::uint32_t kHalf = 1U << 29;
  SparseBytes bytes(std::size_t{1200} << 20);
  ASSERT_NE(bytes.data(), nullptr);
  store_be16(bytes.data(), 2);
  store_be32(bytes.data() + 2, kHalf);
  store_be32(bytes.data() + 6 + kHalf, kHalf - 10);
  Decoder decoder(2, {1});
  decoder.start_at_row();
  RowIndex index;
  DecodeStep step = decoder.decode(bytes.view().first(std::size_t{1} << 30), 0, index);
  EXPECT_EQ(step.consumed, std::size_t{1} << 30);
  EXPECT_THAT(index.fields, testing::ElementsAre(FieldRef{10 + kHalf, kHalf - 10}));

  store_be32(bytes.data() + 6 + kHalf, kHalf - 9);
  step = decoder.decode(bytes.view(), 0, index);
  EXPECT_EQ(step.status, DecodeStatus::malformed);
  EXPECT_EQ(step.position, 6 + kHalf);
  EXPECT_STREQ(step.reason, "a row exceeds 1 GiB");
  EXPECT_EQ(index.rows.size(), 1U);
}

TEST(DecoderLarge, OffsetsUpToFourGibibytes) {
  constexpr std::uint32_t kRow = 900U << 20;
  constexpr std::size_t kRows = 4;
  SparseBytes bytes(kRows * kRow);
  ASSERT_NE(bytes.data(), nullptr);
  for (std::size_t row = 0; row < kRows; ++row) {
    store_be16(bytes.data() + row * kRow, 1);
    store_be32(bytes.data() + row * kRow + 2, kRow - 6);
  }
  Decoder decoder(1, {0});
  decoder.start_at_row();
  RowIndex index;
  const DecodeStep step = decoder.decode(bytes.view(), 1000, index);
  EXPECT_EQ(step.status, DecodeStatus::need_more);
  EXPECT_EQ(step.consumed, kRows * kRow);
  ASSERT_EQ(index.rows.size(), kRows);
  EXPECT_EQ(index.rows[3], (RowRef{1000 + 3 * kRow, kRow}));
  EXPECT_EQ(index.fields[3], (FieldRef{1006 + 3 * kRow, kRow - 6}));
}

TEST(DecoderTwin, RandomStreamsInRandomPieces) {
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    const auto field_count = static_cast<std::uint16_t>(random() % 7);
    const Wanted wanted = random_wanted(random, field_count);
    const Bytes stream = random_stream(random, field_count, 12, random() % 3 == 0 ? 300 : 9);
    const Decoded expected = decode_naively(stream, field_count, wanted, true);
    ASSERT_EQ(expected.status, DecodeStatus::done);
    ASSERT_EQ(decode_at_once(stream, field_count, wanted, true), expected);
    const std::size_t most = 1 + random() % 40;
    ASSERT_EQ(
        decode_in_pieces(stream, field_count, wanted, true, [&] { return random() % most + 1; }),
        expected);
  }
}

TEST(DecoderTwin, RandomBytesBehindARightStart) {
  std::mt19937 random(2);
  for (int round = 0; round < 5000; ++round) {
    const auto field_count = static_cast<std::uint16_t>(random() % 4);
    const Wanted wanted = random_wanted(random, field_count);
    StreamBuilder stream;
    stream.word16(field_count);
    // Mostly zeros and ones: so that words are often small and rows often whole.
    for (std::size_t i = random() % 60; i > 0; --i) {
      const unsigned kind = random() % 8;
      const std::uint8_t byte[] = {static_cast<std::uint8_t>(kind < 5   ? 0
                                                             : kind < 6 ? field_count
                                                             : kind < 7 ? 0xff
                                                                        : random())};
      stream.raw(byte);
    }
    const Bytes& bytes = stream.bytes();
    ASSERT_EQ(decode_at_once(bytes, field_count, wanted, false),
              decode_naively(bytes, field_count, wanted, false));
    ASSERT_EQ(decode_in_pieces(bytes, field_count, wanted, false, [] { return 1; }),
              decode_naively(bytes, field_count, wanted, false));
  }
}

TEST(DecoderTwin, ManyRowsAndManyFields) {
  std::mt19937 random(3);
  for (const std::uint16_t field_count : {std::uint16_t{100}, std::uint16_t{1664}}) {
    const Wanted wanted = random_wanted(random, field_count);
    const Bytes stream = random_stream(random, field_count, 50, 5);
    ASSERT_EQ(decode_in_pieces(stream, field_count, wanted, true, [&] { return random() % 5000; }),
              decode_naively(stream, field_count, wanted, true));
  }
}

/// Small streams over which every place is tried.
std::vector<std::pair<std::uint16_t, Bytes>> small_streams() {
  std::vector<std::pair<std::uint16_t, Bytes>> streams;
  for (const GoldenStream& golden : golden_streams()) {
    streams.emplace_back(golden.field_count, bytes_of_hex(golden.hex));
  }
  streams.emplace_back(
      1, StreamBuilder().header("ext").row({"x"}).row({""}).row({std::nullopt}).trailer().bytes());
  return streams;
}

TEST(DecoderExhaustive, EverySplitIntoTwoAndThree) {
  for (const auto& [field_count, stream] : small_streams()) {
    const Wanted wanted = all_fields(field_count);
    const Decoded expected = decode_naively(stream, field_count, wanted, true);
    for (std::size_t first = 1; first <= stream.size(); ++first) {
      for (std::size_t second = 1; first + second <= stream.size(); ++second) {
        const std::size_t pieces[] = {first, second, stream.size()};
        std::size_t next = 0;
        ASSERT_EQ(decode_in_pieces(stream, field_count, wanted, true,
                                   [&] { return pieces[std::min<std::size_t>(next++, 2)]; }),
                  expected)
            << first << " " << second;
      }
    }
  }
}

TEST(DecoderExhaustive, EveryTruncation) {
  for (const auto& [field_count, stream] : small_streams()) {
    const Wanted wanted = all_fields(field_count);
    for (std::size_t length = 0; length < stream.size(); ++length) {
      const ByteView start = ByteView(stream).first(length);
      const Decoded decoded = decode_at_once(start, field_count, wanted, true);
      ASSERT_EQ(decoded.status, DecodeStatus::need_more) << length;
      ASSERT_EQ(decoded, decode_naively(start, field_count, wanted, true)) << length;
    }
  }
}

/// The bound is the largest that is true: ended as soon as its words allow, with NULLs, a row that
/// was cut behind a word is exactly at_least bytes long. (That none is shorter, decode_in_pieces()
/// checks everywhere.)
TEST(DecoderExhaustive, AtLeastIsReachedByTheShortestContinuation) {
  const std::vector<StreamBuilder::Field> fields = {"ab", std::nullopt, "", "cde"};
  for (std::size_t known = 0; known <= fields.size(); ++known) {
    StreamBuilder row;
    row.word16(4);
    for (std::size_t i = 0; i < known; ++i) row.field(fields[i]);
    const Bytes cut = row.bytes();
    for (std::size_t i = known; i < fields.size(); ++i) row.field(std::nullopt);
    Decoder decoder(4, {});
    decoder.start_at_row();
    RowIndex index;
    const DecodeStep step = decoder.decode(cut, 0, index);
    if (known < fields.size()) {
      EXPECT_EQ(step.at_least, row.bytes().size());
    }
    EXPECT_EQ(decoder.decode(row.bytes(), 0, index).consumed, row.bytes().size());
  }
}

/// Small, large, its neighbours, and itself with one bit changed.
std::set<std::uint8_t> values_in_place_of(std::uint8_t byte) {
  std::set<std::uint8_t> values = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0c,
                                   0x10, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xc0, 0xfe, 0xff};
  for (const int near : {byte - 1, byte + 1}) values.insert(static_cast<std::uint8_t>(near));
  for (unsigned bit = 0; bit < 8; ++bit) {
    values.insert(static_cast<std::uint8_t>(byte ^ (1U << bit)));
  }
  return values;
}

TEST(DecoderExhaustive, EveryByteCorruptedInManyWays) {
  for (const auto& [field_count, stream] : small_streams()) {
    const Wanted wanted = all_fields(field_count);
    for (std::size_t at = 0; at < stream.size(); ++at) {
      for (const std::uint8_t value : values_in_place_of(stream[at])) {
        Bytes corrupt = stream;
        corrupt[at] = value;
        ASSERT_EQ(decode_at_once(corrupt, field_count, wanted, true),
                  decode_naively(corrupt, field_count, wanted, true))
            << "byte " << at << " is " << int{value};
      }
    }
  }
}

TEST(DecoderExhaustive, EveryPairOfCorruptLengthBytes) {
  const Bytes stream = StreamBuilder().row({"abc", "d"}).row({"e", std::nullopt}).trailer().bytes();
  const std::uint8_t values[] = {0x00, 0x01, 0x02, 0x03, 0x07, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff};
  for (std::size_t a = 0; a < stream.size(); ++a) {
    for (std::size_t b = a + 1; b < stream.size(); ++b) {
      for (const std::uint8_t x : values) {
        for (const std::uint8_t y : values) {
          Bytes corrupt = stream;
          corrupt[a] = x;
          corrupt[b] = y;
          ASSERT_EQ(decode_at_once(corrupt, 2, {1}, false), decode_naively(corrupt, 2, {1}, false))
              << a << " " << b;
        }
      }
    }
  }
}

}  // namespace
}  // namespace pgfanout
