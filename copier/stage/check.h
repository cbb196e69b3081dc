// Stage: checks rows that were read back from a leaf of the target.
#pragma once

#include "copier/layout/layout.h"
#include "copier/reconcile/ledger.h"
#include "copier/stage/row_batch.h"

namespace pgfanout {

/// Books a hashed batch that was read from `leaf`: its digest, the rows whose stored key is not the
/// recomputed one, and the rows that belong to another leaf. Thread-safe.
void check_batch(const RowFields& fields, const Layout& layout, const RowBatch& batch,
                 std::uint32_t leaf, Ledger& ledger);

}  // namespace pgfanout
