// The unit of work: a piece of one range's stream with whole rows in it. It owns its bytes, and is
// moved from the reader through decode and hash to the last stage; each fills its part.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/base/buffer.h"
#include "copier/base/memory_budget.h"
#include "copier/wire/decoder.h"
#include "hashing/key_expression.h"
#include "hashing/row_digest.h"

namespace pgfanout {

struct RowBatch {
  // By the reader.
  std::uint32_t range = 0;
  std::uint64_t first_row = 0;      ///< Ordinal of the batch's first row in its range.
  std::uint64_t expected_rows = 0;  ///< Rows by the reader's count of messages.
  bool is_first = false;            ///< Begins with the stream's header.
  bool is_last = false;             ///< Ends with the trailer.
  /// Holds only rows that came before and were lost sight of: to be compared, not to be kept.
  bool is_replay = false;
  Buffer bytes;
  Lease lease;  ///< Budget for the bytes here and for their copies in the lanes.

  // By decode.
  RowIndex index;

  // By hash.
  std::vector<std::int64_t> keys;
  std::vector<KeyState> states;
  std::vector<RowDigest> digests;
};

}  // namespace pgfanout
