#include "copier/stage/check.h"

#include "copier/stage/row_batch.h"

namespace pgfanout {

void check_batch(const RowFields& fields, const Layout& layout, const RowBatch& batch,
                 std::uint32_t leaf, Ledger& ledger) {
  thread_local std::vector<std::uint32_t> leaf_of_row;
  leaf_of_row.resize(batch.index.rows.size());
  layout.route(layout_rows(fields, batch), leaf_of_row);
  std::uint64_t wrong_key = 0;
  std::uint64_t wrong_leaf = 0;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    if (const FieldRef* stored = fields.stored_key(batch, row)) {
      const bool has_key = batch.states[row] == KeyState::ok;
      if (!has_key || integer_field(batch, *stored) != batch.keys[row]) ++wrong_key;
    }
    if (leaf_of_row[row] != leaf) ++wrong_leaf;
  }
  ledger.add_read_back(leaf, digest_of(batch), wrong_key, wrong_leaf);
}

}  // namespace pgfanout
