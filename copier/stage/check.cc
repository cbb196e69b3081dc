#include "copier/stage/check.h"

#include "copier/stage/row_batch.h"

namespace pgfanout {

void check_batch(const RowFields& fields, const LeafMap& leaf_map, const RowBatch& batch,
                 std::uint32_t leaf, Ledger& ledger) {
  std::uint64_t wrong_key = 0;
  std::uint64_t wrong_leaf = 0;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const bool has_key = batch.states[row] == KeyState::ok;
    if (const FieldRef* stored = fields.stored_key(batch, row)) {
      if (!has_key || integer_field(batch, *stored) != batch.keys[row]) ++wrong_key;
    }
    if (!has_key || leaf_map.leaf_of(batch.keys[row]) != leaf) ++wrong_leaf;
  }
  ledger.add_read_back(leaf, digest_of(batch), wrong_key, wrong_leaf);
}

}  // namespace pgfanout
