// Stage: finds the rows of a batch.
#pragma once

#include "copier/stage/row_batch.h"
#include "copier/stage/row_fields.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Fills batch.index. Every batch holds whole rows (the server sends one message a row), and the
/// trailer stands at the end of a range's last batch and nowhere else; anything else is an error.
/// Also rewrites element OIDs as the layout asks. Pure but for the batch.
Result<void> decode_batch(const RowFields& fields, RowBatch& batch);

}  // namespace pgfanout
