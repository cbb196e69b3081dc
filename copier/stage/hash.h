// Stage: keys and digests of a batch's rows.
#pragma once

#include "copier/stage/row_batch.h"
#include "copier/stage/row_fields.h"
#include "hashing/key_expression.h"

namespace pgfanout {

/// Fills batch.keys, states and digests. `scratch` belongs to the calling thread.
void hash_batch(const RowFields& fields, const KeyExpression& key, KeyScratch& scratch,
                RowBatch& batch);

/// The digest of all rows of a hashed batch.
[[nodiscard]] MultisetDigest digest_of(const RowBatch& batch);

}  // namespace pgfanout
