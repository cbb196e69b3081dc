#include "copier/stage/decode.h"

#include <fmt/format.h>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

Error malformed(const RowBatch& batch, std::string what) {
  Error error = interrupted("malformed-stream", std::move(what),
                            "the stream was cut or changed on its way: check proxies between "
                            "pgfanout and the server");
  error.consequence = Consequence::unproven;
  error.where = fmt::format("source range {}, after row {}", batch.range, batch.first_row);
  return error;
}

/// Array header: dimensions, flags, element type's OID, 4 bytes each.
Result<void> patch_oids(const RowFields& fields, RowBatch& batch, std::size_t patch_number) {
  constexpr std::uint32_t kOidOffset = 8;
  const OidPatch& patch = fields.layout().oid_patches[patch_number];
  const std::size_t position = fields.patch_position(patch_number);
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const FieldRef field = fields.of_row(batch, row)[position];
    if (field.is_null()) continue;
    if (field.length < 12) return malformed(batch, "an array is shorter than its header");
    std::uint8_t* at = batch.bytes.mutable_data() + field.offset + kOidOffset;
    if (load_be32(at) != patch.from_oid) {
      return malformed(batch, fmt::format("an array has element type {} instead of {}",
                                          load_be32(at), patch.from_oid));
    }
    store_be32(at, patch.to_oid);
  }
  return {};
}

}  // namespace

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

}  // namespace pgfanout
