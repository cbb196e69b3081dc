#include "copier/stage/hash.h"

#include <vector>

namespace pgfanout {
namespace {

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
