#include "bench/insert/row_set.h"

#include <algorithm>
#include <array>
#include <string>

#include "copier/base/byte_order.h"
#include "copier/stage/decode.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {

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

Result<KeyExpression> compile_key() {
  const KeyColumn columns[] = {{"collection_id", KeyType::uuid, "uuid"}};
  return KeyExpression::compile(kKeySql, columns);
}

}  // namespace pgfanout::bench
