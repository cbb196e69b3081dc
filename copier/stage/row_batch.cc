#include "copier/stage/row_batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

Error malformed(const RowBatch& batch, std::string what) {
  return unproven("malformed-stream", std::move(what),
                  "the stream was cut or changed on its way: check proxies between pgfanout and "
                  "the server",
                  fmt::format("source range {}, after row {}", batch.range, batch.first_row));
}

Result<void> patch_oids(const RowFields& fields, RowBatch& batch, std::size_t patch_number) {
  const OidPatch& patch = fields.layout().oid_patches[patch_number];
  const std::size_t position = fields.patch_position(patch_number);
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const FieldRef field = fields.of_row(batch, row)[position];
    if (field.is_null()) continue;
    if (!rewrite_oids(patch.shape, {batch.bytes.mutable_data() + field.offset,
                                    static_cast<std::size_t>(field.length)})) {
      return malformed(batch, fmt::format("a value of field {} does not have the form of its type",
                                          patch.field + 1));
    }
  }
  return {};
}

/// The key's fields of all rows, one behind the other, as KeyExpression takes them.
std::span<const FieldRef> key_fields(const RowFields& fields, const RowBatch& batch,
                                     std::vector<FieldRef>& packed) {
  if (fields.wanted().size() == fields.key_count()) return batch.index.fields;
  packed.clear();
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const FieldRef* first = fields.of_row(batch, row);
    packed.insert(packed.end(), first, first + fields.key_count());
  }
  return packed;
}

}  // namespace

RowFields::RowFields(const RowLayout& layout) : layout_(layout), wanted_(layout.key_fields) {
  if (layout.copied < layout.fields) copied_end_ = position_of(layout.copied);
  if (layout.digested < layout.fields) digested_end_ = position_of(layout.digested);
  if (layout.stored_key) stored_key_ = position_of(*layout.stored_key);
  for (const OidPatch& patch : layout.oid_patches) patches_.push_back(position_of(patch.field));
}

std::size_t RowFields::position_of(std::uint16_t field) {
  const auto found = std::ranges::find(wanted_, field);
  if (found != wanted_.end()) return static_cast<std::size_t>(found - wanted_.begin());
  wanted_.push_back(field);
  return wanted_.size() - 1;
}

ByteView RowFields::up_to(const RowBatch& batch, std::size_t row,
                          const std::optional<std::size_t>& end) const {
  constexpr std::uint32_t kCountBytes = 2;
  constexpr std::uint32_t kLengthBytes = 4;
  const RowRef& whole = batch.index.rows[row];
  const std::uint32_t begin = whole.offset + kCountBytes;
  const std::uint32_t stop =
      end ? of_row(batch, row)[*end].offset - kLengthBytes : whole.offset + whole.length;
  return {batch.bytes.data() + begin, stop - begin};
}

LayoutRows layout_rows(const RowFields& fields, const RowBatch& batch) {
  return {batch.keys, batch.states, batch.bytes.data(), batch.index.fields.data(),
          fields.wanted().size()};
}

std::optional<std::int64_t> integer_field(const RowBatch& batch, const FieldRef& field) {
  const std::uint8_t* at = batch.bytes.data() + field.offset;
  switch (field.length) {
    case 2:
      return static_cast<std::int16_t>(load_be16(at));
    case 4:
      return static_cast<std::int32_t>(load_be32(at));
    case 8:
      return static_cast<std::int64_t>(load_be64(at));
    default:
      return std::nullopt;
  }
}

Result<void> decode_batch(const RowFields& fields, RowBatch& batch) {
  Decoder decoder(fields.layout().fields, fields.wanted());
  if (batch.is_first) {
    decoder.start_stream();
  } else {
    decoder.start_at_row();
  }
  batch.index.clear();
  batch.index.rows.reserve(batch.expected_rows);
  batch.index.fields.reserve(batch.expected_rows * fields.wanted().size());
  const DecodeStep step = decoder.decode(batch.bytes.view(), 0, batch.index);
  if (step.status == DecodeStatus::malformed) {
    return malformed(batch, fmt::format("not binary COPY data: {} at byte {} of a batch of {}",
                                        step.reason, step.position, batch.bytes.size()));
  }
  if ((step.status == DecodeStatus::done) != batch.is_last) {
    return malformed(batch, batch.is_last ? "the stream ended without its trailer"
                                          : "the trailer came before the stream's end");
  }
  if (step.consumed != batch.bytes.size()) {
    return malformed(batch, "a message from the server does not end where a row ends");
  }
  if (batch.index.rows.size() != batch.expected_rows) {
    return malformed(batch, fmt::format("{} messages held {} rows", batch.expected_rows,
                                        batch.index.rows.size()));
  }
  for (std::size_t patch = 0; patch < fields.layout().oid_patches.size(); ++patch) {
    PGFANOUT_TRY(patch_oids(fields, batch, patch));
  }
  return {};
}

void hash_batch(const RowFields& fields, const KeyExpression& key, KeyScratch& scratch,
                RowBatch& batch) {
  thread_local std::vector<FieldRef> packed;
  const std::size_t rows = batch.index.rows.size();
  batch.keys.resize(rows);
  batch.states.resize(rows);
  batch.digests.resize(rows);
  key.evaluate(batch.bytes.data(), key_fields(fields, batch, packed), rows, scratch, batch.keys,
               batch.states);
  for (std::size_t row = 0; row < rows; ++row) {
    batch.digests[row] = row_digest(fields.digested_bytes(batch, row));
  }
}

MultisetDigest digest_of(const RowBatch& batch) {
  MultisetDigest total;
  for (const RowDigest& digest : batch.digests) total.add(digest);
  return total;
}

}  // namespace pgfanout
