// Checks that the rows that a range gives again, after its reader was lost, are those that came
// before. The reader relies on rows coming in the same order; this verifies it.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/stage/row_batch.h"
#include "hashing/row_digest.h"
#include "pgfanout/result.h"

namespace pgfanout {

class ReplayCheck {
 public:
  explicit ReplayCheck(std::size_t ranges) : streams_(ranges) {}

  /// Takes the batches of a range in their order, hashed; `digest` is their rows'. Returns whether
  /// the batch is new, and has to be booked. Called concurrently for different ranges only.
  Result<bool> take(const RowBatch& batch, const MultisetDigest& digest);

 private:
  /// Since the stream began that was lost, if one was.
  struct Stream {
    MultisetDigest read;
    MultisetDigest replayed;
    bool is_replaying = false;
  };
  std::vector<Stream> streams_;
};

}  // namespace pgfanout
