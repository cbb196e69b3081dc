#include "bench/insert/row_set.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "copier/base/byte_order.h"
#include "copier/stage/row_batch.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {
namespace {

constexpr std::uint64_t kCollections = 5000;
constexpr std::uint64_t kRowsPerDocument = 20;
constexpr std::int64_t kSecondsFrom1970To2000 = 946'684'800;
constexpr std::int64_t kFirstSecond = 789'004'800;  // 2025-01-01
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// SplitMix64: well mixed, and known by its published answers.
std::uint64_t next(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t value = state;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

/// A version 4 UUID from a number of one kind.
Row::Uuid make_uuid(std::uint64_t kind, std::uint64_t number) {
  std::uint64_t state = (kind << 56U) ^ number;
  Row::Uuid uuid{};
  store_be64(uuid.data(), next(state));
  store_be64(uuid.data() + 8, next(state));
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0fU) | 0x40U);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3fU) | 0x80U);
  return uuid;
}

/// Random letters, six bits each.
std::string make_content(std::uint64_t number, std::uint32_t bytes) {
  std::string content(bytes, ' ');
  std::uint64_t state = ~number;
  std::uint64_t bits = 0;
  for (std::uint32_t at = 0; at < bytes; ++at) {
    if (at % 10 == 0) bits = next(state);
    content[at] = kLetters[bits & 63U];
    bits >>= 6U;
  }
  return content;
}

/// A field's length word and its value.
void append_field(ByteView value, std::string& to) {
  std::uint8_t length[4];
  store_be32(length, static_cast<std::uint32_t>(value.size()));
  to += as_text(length);
  to += as_text(value);
}

void append_uuid_text(const Row::Uuid& uuid, std::string& to) {
  for (std::size_t at = 0; at < uuid.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) to += '-';
    fmt::format_to(std::back_inserter(to), "{:02x}", uuid[at]);
  }
}

}  // namespace

std::uint32_t content_bytes(Width width) {
  constexpr std::array<std::uint32_t, 3> kBytes = {16, 360, 8000};
  return kBytes.at(static_cast<std::size_t>(width));
}

Row make_row(std::uint64_t number, Width width) {
  Row row;
  std::uint64_t state = number;
  row.id = make_uuid(1, number);
  row.collection_id = make_uuid(2, next(state) % kCollections);
  row.document_id = make_uuid(3, number / kRowsPerDocument);
  row.chunk_index = static_cast<std::int32_t>(number % kRowsPerDocument);
  row.content = make_content(number, content_bytes(width));
  row.created_at = kFirstSecond + static_cast<std::int64_t>(number);
  return row;
}

void append_fields(const Row& row, std::string& to) {
  std::uint8_t chunk_index[4];
  std::uint8_t created_at[8];
  store_be32(chunk_index, static_cast<std::uint32_t>(row.chunk_index));
  store_be64(created_at, static_cast<std::uint64_t>(row.created_at) * 1'000'000U);
  for (const ByteView value :
       {ByteView(row.id), ByteView(row.collection_id), ByteView(row.document_id),
        ByteView(chunk_index), as_bytes(row.content), ByteView(created_at)}) {
    append_field(value, to);
  }
}

void append_text(const Row& row, std::string& to) {
  for (const Row::Uuid* uuid : {&row.id, &row.collection_id, &row.document_id}) {
    append_uuid_text(*uuid, to);
    to += '\t';
  }
  const std::chrono::sys_seconds at(std::chrono::seconds(row.created_at + kSecondsFrom1970To2000));
  fmt::format_to(std::back_inserter(to), "{}\t{}\t{:%Y-%m-%d %H:%M:%S}+00", row.chunk_index,
                 row.content, fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

RowLayout row_layout(bool sends_key) {
  RowLayout layout;
  layout.fields = layout.copied = layout.digested = kColumns.size();
  layout.key_fields = {kKeyField};
  layout.written_key = sends_key ? KeyField::int4 : KeyField::none;
  return layout;
}

Result<RowSet> RowSet::make(std::uint64_t rows, Width width) {
  RowSet set;
  set.width_ = width;
  const RowFields shape(row_layout(true));
  std::string fields;
  for (std::uint64_t first = 0; first < rows; first += kBatchRows) {
    const std::uint64_t end = std::min(rows, first + kBatchRows);
    RowBatch batch;
    batch.is_first = first == 0;
    batch.is_last = end == rows;
    batch.first_row = first;
    batch.expected_rows = end - first;
    std::string stream;
    if (batch.is_first) stream += as_text(copy_header());
    for (std::uint64_t number = first; number < end; ++number) {
      fields.clear();
      append_fields(make_row(number, width), fields);
      set.digest_.add(row_digest(as_bytes(fields)));
      set.bytes_ += fields.size();
      stream += std::string("\0\6", 2) + fields;
    }
    if (batch.is_last) stream += as_text(copy_trailer());
    batch.bytes = Buffer(stream.size());
    batch.bytes.append(as_bytes(stream));
    PGFANOUT_TRY(decode_batch(shape, batch));
    set.batches_.push_back(std::move(batch));
  }
  return set;
}

ByteView RowSet::fields(std::uint64_t row) const {
  constexpr std::size_t kFieldCountBytes = 2;
  const RowBatch& batch = batches_[row / kBatchRows];
  const RowRef& whole = batch.index.rows[row % kBatchRows];
  return batch.bytes.view().subspan(whole.offset + kFieldCountBytes,
                                    whole.length - kFieldCountBytes);
}

Result<void> RowSet::append_keys(const KeyExpression& key, std::uint64_t from, std::uint64_t to,
                                 KeyScratch& scratch, std::vector<std::int64_t>& keys) const {
  std::array<KeyState, kBatchRows> states{};
  while (from < to) {
    const RowBatch& batch = batches_[from / kBatchRows];
    const std::uint64_t at = from % kBatchRows;
    const std::uint64_t count = std::min(to - from, kBatchRows - at);
    const std::size_t before = keys.size();
    keys.resize(before + count);
    const std::span<const FieldRef> fields(batch.index.fields);
    key.evaluate(batch.bytes.data(), fields.subspan(at, count), count, scratch,
                 std::span(keys).subspan(before), std::span(states).first(count));
    for (std::uint64_t row = 0; row < count; ++row) {
      if (states[row] != KeyState::ok) return refused("internal", "a generated row has no key");
    }
    from += count;
  }
  return {};
}

std::array<ByteView, kColumns.size()> values_of(ByteView fields) {
  std::array<ByteView, kColumns.size()> values;
  for (ByteView& value : values) {
    const std::uint32_t length = load_be32(fields.data());
    value = fields.subspan(4, length);
    fields = fields.subspan(4 + length);
  }
  return values;
}

Result<KeyExpression> compile_key(std::string_view sql) {
  const KeyColumn columns[] = {{"collection_id", KeyType::uuid, "uuid"}};
  return KeyExpression::compile(sql, columns);
}

}  // namespace pgfanout::bench
